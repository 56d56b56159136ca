#include "server/gateways/registry.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "proto/text/text.h"

namespace sluice::server {
namespace {

// Host names have at most 253 bytes (RFC 1035).
constexpr size_t kMaxName = 253;
constexpr size_t kMaxVersion = 64;
// Enough to recognize an agent that keeps calling under a name that was taken from it.
constexpr size_t kMaxSuperseded = 8;

absl::Status CheckName(const std::string& name) {
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!name.empty() && name.size() <= kMaxName && printable) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "hello.agent.gateway: 1 to 253 printable ASCII characters without spaces "
      "are a name; set `gateway` in the agent's configuration");
}

void SetTime(Registry::WallTime time, google::protobuf::Timestamp* out) {
  *out = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
      std::chrono::nanoseconds(time.time_since_epoch()).count());
}

absl::Status Taken() {
  return absl::AbortedError(
      "a newer agent has taken this gateway's name; give each agent its own "
      "`gateway`, or stop the older agent");
}

absl::Status Replaced() {
  return absl::AbortedError("a later stream of the same agent has replaced this one");
}

absl::Status TooManyStreams(const std::string& gateway, uint32_t streams) {
  return absl::ResourceExhaustedError(
      absl::StrCat(gateway, " has ", streams, " Decide streams up already"));
}

absl::Status NeverHeardOf(const std::string& gateway) {
  return absl::NotFoundError(absl::StrCat("no gateway \"", gateway,
                                          "\" has connected to this server; "
                                          "`sluicectl gateways` lists those that have"));
}

}  // namespace

Registry::Registry(RegistryLimits limits, std::function<void(const std::string&)> forget)
    : limits_(limits), forget_(std::move(forget)) {}

absl::Status Registry::JoinDecide(const v1::DecideHello& hello, const std::string& address,
                                  WallTime now) {
  const v1::AgentIdentity& agent = hello.agent();
  MutexLock lock(mutex_);
  Entry* entry = nullptr;
  if (absl::Status found = Find(agent, address, now, &entry); !found.ok()) return found;
  if (entry->decide_streams >= limits_.decide_streams) {
    return TooManyStreams(agent.gateway(), entry->decide_streams);
  }
  ++entry->decide_streams;
  entry->scopes = ScopeSet(hello.capabilities());
  if (entry->serve == nullptr && entry->report == nullptr && entry->decide_streams == 1) {
    // An agent that opens only Decide streams claims the name with its first one.
    (void)Claim(*entry, agent.incarnation());
  }
  return absl::OkStatus();
}

void Registry::LeaveDecide(const std::string& gateway, WallTime now) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(gateway);
  if (found == entries_.end()) return;
  --found->second.decide_streams;
  found->second.last_seen = now;
}

absl::Status Registry::JoinRelay(const std::string& gateway, const std::string& address,
                                 WallTime now) {
  MutexLock lock(mutex_);
  Entry* entry = nullptr;
  if (absl::Status added = Add(gateway, now, &entry); !added.ok()) return added;
  if (entry->relay_streams >= limits_.decide_streams) {
    return TooManyStreams(gateway, entry->relay_streams);
  }
  ++entry->relay_streams;
  if (entry->address.empty()) entry->address = address;
  return absl::OkStatus();
}

void Registry::LeaveRelay(const std::string& gateway, WallTime now) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(gateway);
  if (found == entries_.end()) return;
  --found->second.relay_streams;
  found->second.last_seen = std::max(found->second.last_seen, now);
}

absl::Status Registry::JoinServe(const v1::ServeHello& hello, const std::string& address,
                                 WallTime now, CommandStream* stream) {
  MutexLock lock(mutex_);
  Entry* entry = nullptr;
  if (absl::Status found = Find(hello.agent(), address, now, &entry); !found.ok()) return found;
  if (absl::Status claimed = Claim(*entry, hello.agent().incarnation()); !claimed.ok())
    return claimed;
  if (entry->serve != nullptr) entry->serve->End(Replaced());
  entry->serve = stream;
  entry->mode = hello.mode();
  ++entry->streams;
  return absl::OkStatus();
}

void Registry::LeaveServe(const std::string& gateway, CommandStream* stream, WallTime now) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(gateway);
  if (found == entries_.end()) return;
  if (found->second.serve == stream) found->second.serve = nullptr;
  --found->second.streams;
  found->second.last_seen = std::max(found->second.last_seen, now);
}

absl::Status Registry::JoinReport(const v1::AgentIdentity& agent, const std::string& address,
                                  WallTime now, GatewayStream* stream) {
  MutexLock lock(mutex_);
  Entry* entry = nullptr;
  if (absl::Status found = Find(agent, address, now, &entry); !found.ok()) return found;
  if (absl::Status claimed = Claim(*entry, agent.incarnation()); !claimed.ok()) return claimed;
  if (entry->report != nullptr) entry->report->End(Replaced());
  entry->report = stream;
  ++entry->streams;
  return absl::OkStatus();
}

void Registry::LeaveReport(const std::string& gateway, GatewayStream* stream, WallTime now) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(gateway);
  if (found == entries_.end()) return;
  if (found->second.report == stream) found->second.report = nullptr;
  --found->second.streams;
  found->second.last_seen = std::max(found->second.last_seen, now);
}

void Registry::Heard(const std::string& gateway, WallTime now) {
  MutexLock lock(mutex_);
  if (const auto found = entries_.find(gateway); found != entries_.end()) {
    found->second.last_seen = now;
  }
}

void Registry::RecordMode(const std::string& gateway, v1::Mode mode) {
  if (mode == v1::MODE_UNSPECIFIED) return;
  MutexLock lock(mutex_);
  if (const auto found = entries_.find(gateway); found != entries_.end()) {
    found->second.mode = mode;
  }
}

void Registry::SetStats(const std::string& gateway, const v1::GatewayStats& stats) {
  RecordMode(gateway, stats.mode());
  // For 64 queues the message takes some 15 KB.
  if (stats.ByteSizeLong() > 65536) return;
  auto said = std::make_shared<v1::GatewayStats>(stats);
  said->set_gateway(gateway);
  // After the swap, the previous stats are destroyed without the lock.
  std::shared_ptr<const v1::GatewayStats> kept = std::move(said);
  MutexLock lock(mutex_);
  if (const auto found = entries_.find(gateway); found != entries_.end()) {
    found->second.stats.swap(kept);
  }
}

std::vector<std::shared_ptr<const v1::GatewayStats>> Registry::Stats() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<const v1::GatewayStats>> all;
  for (const auto& [name, entry] : entries_) {
    if (entry.stats != nullptr) all.push_back(entry.stats);
  }
  return all;
}

absl::Status Registry::CheckAsking(const std::string& gateway) const {
  MutexLock lock(mutex_);
  const auto found = entries_.find(gateway);
  if (found == entries_.end()) return NeverHeardOf(gateway);
  if (found->second.decide_streams > 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(gateway,
                                             " is not connected: its agent has no Decide stream "
                                             "to this server"));
}

absl::Status Registry::Send(const std::string& gateway, v1::Command command,
                            std::chrono::steady_clock::time_point deadline,
                            CommandStream::Done& done) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(gateway);
  if (found == entries_.end()) return NeverHeardOf(gateway);
  if (found->second.serve == nullptr) {
    return absl::UnavailableError(absl::StrCat(gateway,
                                               " is not connected: its agent has no Serve stream "
                                               "to this server"));
  }
  return found->second.serve->Send(std::move(command), deadline, done);
}

std::vector<std::string> Registry::Lacking(v1::Scope scope) const {
  MutexLock lock(mutex_);
  std::vector<std::string> lacking;
  for (const auto& [name, entry] : entries_) {
    if (entry.decide_streams > 0 && !entry.scopes.Has(scope)) lacking.push_back(name);
  }
  return lacking;
}

std::vector<v1::Gateway> Registry::List() const {
  MutexLock lock(mutex_);
  std::vector<v1::Gateway> gateways;
  gateways.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) {
    v1::Gateway& gateway = gateways.emplace_back();
    gateway.set_name(name);
    gateway.set_connected(entry.serve != nullptr);
    gateway.set_decide_streams(entry.decide_streams);
    gateway.set_mode(entry.mode);
    gateway.set_agent_version(entry.agent_version);
    SetTime(entry.first_seen, gateway.mutable_first_seen());
    SetTime(entry.last_seen, gateway.mutable_last_seen());
    gateway.set_address(entry.address);
    gateway.set_reporting(entry.report != nullptr);
    gateway.set_incarnation(entry.incarnation);
  }
  return gateways;
}

absl::Status Registry::Add(const std::string& gateway, WallTime now, Entry** entry) {
  if (absl::Status fit = CheckName(gateway); !fit.ok()) return fit;
  auto found = entries_.find(gateway);
  if (found == entries_.end()) {
    if (entries_.size() >= limits_.gateways && !MakeRoom()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("this server has its ", limits_.gateways, " gateways connected already"));
    }
    found = entries_.emplace(gateway, Entry{}).first;
    found->second.first_seen = now;
  }
  *entry = &found->second;
  (*entry)->last_seen = now;
  return absl::OkStatus();
}

absl::Status Registry::Find(const v1::AgentIdentity& agent, const std::string& address,
                            WallTime now, Entry** entry) {
  if (absl::Status added = Add(agent.gateway(), now, entry); !added.ok()) return added;
  // The gateway's first agent, or the first after a relay made the entry.
  if ((*entry)->incarnation == 0) (*entry)->incarnation = agent.incarnation();
  if ((*entry)->incarnation == agent.incarnation() || !(*entry)->serve) {
    (*entry)->address = address;
    (*entry)->agent_version = Beginning(agent.agent_version(), kMaxVersion);
  }
  return absl::OkStatus();
}

absl::Status Registry::Claim(Entry& entry, uint64_t incarnation) {
  if (entry.incarnation == incarnation) return absl::OkStatus();
  const auto old = std::find(entry.superseded.begin(), entry.superseded.end(), incarnation);
  if (old != entry.superseded.end()) {
    if (entry.serve != nullptr || entry.report != nullptr) return Taken();
    // The newer agent has gone, so the older one gets the name back.
    entry.superseded.erase(old);
  }
  entry.superseded.push_back(entry.incarnation);
  if (entry.superseded.size() > kMaxSuperseded) entry.superseded.pop_front();
  entry.incarnation = incarnation;
  // The older agent's streams do not speak for the gateway any more.
  if (entry.serve != nullptr) std::exchange(entry.serve, nullptr)->End(Taken());
  if (entry.report != nullptr) std::exchange(entry.report, nullptr)->End(Taken());
  return absl::OkStatus();
}

bool Registry::MakeRoom() {
  auto oldest = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const Entry& streams = entry->second;
    if (streams.decide_streams > 0 || streams.relay_streams > 0 || streams.streams > 0) continue;
    if (oldest == entries_.end() || entry->second.last_seen < oldest->second.last_seen) {
      oldest = entry;
    }
  }
  if (oldest == entries_.end()) return false;
  if (forget_) forget_(oldest->first);
  entries_.erase(oldest);
  return true;
}

std::string PeerAddress(const std::string& peer) {
  const std::string address = absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  for (const char* scheme : {"ipv4:", "ipv6:"}) {
    if (absl::StartsWith(address, scheme)) return address.substr(5);
  }
  return address == "unix:" ? "unix" : address;
}

}  // namespace sluice::server
