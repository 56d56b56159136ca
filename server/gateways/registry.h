#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/gateways/gateway_streams.h"
#include "server/verdicts/scope_set.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Bounds of a Registry.
struct RegistryLimits {
  // Gateways known at once. Each may cost some 30 MB of history in the worst case.
  size_t gateways = 1024;
  // Decide streams of one gateway; agents have at most 64 queues, and some streams may be dead
  // without the server knowing it yet.
  uint32_t decide_streams = 256;
};

// Which gateways there are and which streams speak for them. A stream joins when its hello has
// arrived and leaves when it ends. It stays valid from join to leave, so commands can be sent to it
// under the lock. Any thread may call.
//
// When the limit of gateways is reached, the gateway without streams that was heard from longest
// ago is forgotten. If all have a stream up, a new gateway gets RESOURCE_EXHAUSTED.
//
// Lock order: the registry's lock, then a stream's. A stream must not call with its own lock held.
class Registry final {
 public:
  using WallTime = std::chrono::system_clock::time_point;

  // `forget` is called for each gateway that is forgotten, with the lock held and after all its
  // streams have left.
  explicit Registry(RegistryLimits limits = {},
                    std::function<void(const std::string& gateway)> forget = {});

  // INVALID_ARGUMENT: the agent's identity has no valid gateway name. RESOURCE_EXHAUSTED: see
  // above.
  absl::Status JoinDecide(const v1::DecideHello& hello, const std::string& address, WallTime now);
  void LeaveDecide(const std::string& gateway, WallTime now);

  // For the stream of a server that relays packets (DecideHello.relay): called with the relay's own
  // name and with that of each gateway whose packets it brings. The stream does not speak for the
  // gateway, but keeps it from being forgotten.
  absl::Status JoinRelay(const std::string& gateway, const std::string& address, WallTime now);
  void LeaveRelay(const std::string& gateway, WallTime now);

  // The streams of which a gateway has one each. The name belongs to the newer agent, that is, to
  // the one the server met later: its stream ends that of the older agent with ABORTED, and the
  // older agent gets ABORTED whenever it calls while the newer one is here. A new stream of the
  // same agent replaces its old one.
  absl::Status JoinServe(const v1::ServeHello& hello, const std::string& address, WallTime now,
                         CommandStream* stream);
  void LeaveServe(const std::string& gateway, CommandStream* stream, WallTime now);
  absl::Status JoinReport(const v1::AgentIdentity& agent, const std::string& address, WallTime now,
                          GatewayStream* stream);
  void LeaveReport(const std::string& gateway, GatewayStream* stream, WallTime now);

  // Something has arrived from the gateway.
  void Heard(const std::string& gateway, WallTime now);
  // The gateway has reported its mode.
  void RecordMode(const std::string& gateway, v1::Mode mode);
  // The gateway has reported its counters, and its mode with them.
  void SetStats(const std::string& gateway, const v1::GatewayStats& stats);
  // The last counters of each gateway that has reported any, sorted by name.
  std::vector<std::shared_ptr<const v1::GatewayStats>> Stats() const;

  // Sends through the gateway's Serve stream; see CommandStream::Send. NOT_FOUND: unknown gateway.
  absl::Status Send(const std::string& gateway, v1::Command command,
                    std::chrono::steady_clock::time_point deadline, CommandStream::Done& done);

  // OK if the gateway asks this server about packets now. NOT_FOUND: unknown gateway; UNAVAILABLE:
  // it has no Decide stream up.
  absl::Status CheckAsking(const std::string& gateway) const;

  // Gateways that ask this server now and whose agents cannot enforce `scope`, sorted by name.
  std::vector<std::string> Lacking(v1::Scope scope) const;

  // All gateways, sorted by name.
  std::vector<v1::Gateway> List() const;

 private:
  struct Entry {
    uint64_t incarnation = 0;         // Of the agent that has the gateway's name.
    std::deque<uint64_t> superseded;  // The last few incarnations that had it before.
    std::string agent_version;
    std::string address;
    v1::Mode mode = v1::MODE_UNSPECIFIED;
    std::shared_ptr<const v1::GatewayStats> stats;  // Null: not reported yet.
    WallTime first_seen;
    WallTime last_seen;
    uint32_t decide_streams = 0;
    ScopeSet scopes;  // Of the Decide stream that came last.
    uint32_t relay_streams = 0;
    CommandStream* serve = nullptr;   // Not owned.
    GatewayStream* report = nullptr;  // Not owned.
    // Serve and Report streams that have joined and not left, replaced ones among them.
    uint32_t streams = 0;
  };

  absl::Status Add(const std::string& gateway, WallTime now, Entry** entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Find(const v1::AgentIdentity& agent, const std::string& address, WallTime now,
                    Entry** entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Claim(Entry& entry, uint64_t incarnation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RegistryLimits limits_;
  const std::function<void(const std::string&)> forget_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

// The caller's address for people to read: without gRPC's scheme, and percent-decoded.
std::string PeerAddress(const std::string& peer);

}  // namespace sluice::server
