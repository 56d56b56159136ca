#include "server/decide/decide_stream.h"

#include <google/protobuf/arena.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/decide/decide_outbox.h"
#include "server/decide/relayed_gateways.h"
#include "server/deciders/asking_stream.h"
#include "server/deciders/question.h"
#include "server/journal/decision_entries.h"
#include "server/streams/conversation.h"
#include "server/streams/durations.h"
#include "server/verdicts/scope_set.h"
#include "server/verdicts/verdict.h"

namespace sluice::server {
namespace {

using Clock = std::chrono::steady_clock;

// The limit in decision.proto.
constexpr int kMaxBatch = 1024;
// A usual batch (some 20 packets of 128 bytes) is parsed into this without further allocations.
constexpr size_t kArenaBlock = 32 * 1024;

// The conversation: takes what arrives and has it decided.
class DecideStream final : public Conversation<v1::DecideRequest, v1::DecideResponse>,
                           public DeferredVerdictSink {
 public:
  DecideStream(std::shared_ptr<Call> call, const DecideParts& parts)
      : Conversation(std::move(call), parts.ticker),
        parts_(parts),
        block_(new char[kArenaBlock]),
        arena_(block_.get(), kArenaBlock) {}

  void Answer(const DeferredVerdict& deferred) override {
    {
      MutexLock lock(mutex_);
      v1::Verdict* const added = outbox_.Add();
      *added = deferred.verdict;
      if (!scopes_.Has(added->scope())) Unscope(added);
      const Basis& told = outbox_.told();
      if (!deferred.policy) {
        outbox_.Tell(BasisNow(parts_.policies->Current()->edition(), /*screened=*/true));
      } else if (told.policy != *deferred.policy || told.screened) {
        // The agent was told another basis since: the verdict decides this packet only and must not
        // be remembered.
        Unscope(added);
      }
      WriteLocked();
    }
    entries_->Enter(deferred);
  }

  void DecideByPolicy(const v1::Packet& packet, Clock::duration elapsed) override {
    const std::shared_ptr<const Policy> policy = parts_.policies->Current();
    Ruling ruling = policy->rules->Decide(packet);
    ruling.ask = nullptr;  // Too little of the packet's time is left to ask a decider.
    {
      MutexLock lock(mutex_);
      FillVerdict(packet.transaction_id(), ruling, scopes_, outbox_.Add());
      outbox_.Tell(BasisNow(policy->edition(), /*screened=*/false));
      WriteLocked();
    }
    entries_->Enter(packet, ruling, policy->version, elapsed);
  }

 private:
  ~DecideStream() override = default;

  // Messages live in an arena: parsing a batch into the heap would take some ten allocations per
  // packet.
  v1::DecideRequest* Clean() override {
    arena_.Reset();
    return google::protobuf::Arena::CreateMessage<v1::DecideRequest>(&arena_);
  }

  absl::Status Take(const v1::DecideRequest& request) override {
    if ((!entries_) != request.has_hello()) {
      return absl::InvalidArgumentError(
          !entries_ ? "the first message of a Decide stream must be the hello"
                    : "a second hello on a Decide stream");
    }
    switch (request.message_case()) {
      case v1::DecideRequest::kHello:
        return TakeHello(request.hello());
      case v1::DecideRequest::kPackets:
        return TakePackets(request.packets());
      case v1::DecideRequest::kHeartbeat: {
        parts_.registry->Heard(gateway_, std::chrono::system_clock::now());
        MutexLock lock(mutex_);
        outbox_.Echo(request.heartbeat());
        return absl::OkStatus();
      }
      case v1::DecideRequest::kErrors:
        TakeErrors(request.errors());
        return absl::OkStatus();
      case v1::DecideRequest::MESSAGE_NOT_SET:
        break;
    }
    // A kind of message that only a newer agent sends.
    return absl::OkStatus();
  }

  absl::Status TakeHello(const v1::DecideHello& hello) {
    gateway_ = hello.agent().gateway();
    relay_ = hello.relay();
    const auto now = std::chrono::system_clock::now();
    const std::string address = PeerAddress(call().peer());
    const absl::Status joined = relay_ ? parts_.registry->JoinRelay(gateway_, address, now)
                                       : parts_.registry->JoinDecide(hello, address, now);
    if (!joined.ok()) return joined;
    scopes_ = ScopeSet(hello.capabilities());
    hold_limit_ = ToDuration(hello.hold_limit());
    asker_ = std::make_shared<AskingStream>(hello, this);
    queue_ = hello.queue();
    entries_.emplace(parts_.log->RingOf(gateway_), queue_);
    if (relay_) relayed_.emplace(gateway_, address, parts_.log, parts_.registry);
    const bool screened = Screened();
    MutexLock lock(mutex_);
    greeted_ = true;
    outbox_.Welcome(BasisNow(parts_.policies->Current()->edition(), screened));
    return absl::OkStatus();
  }

  absl::Status TakePackets(const v1::PacketBatch& batch) {
    if (batch.batch() != received_ + 1) {
      return absl::InvalidArgumentError(absl::StrCat("packet batch ", batch.batch(), " after ",
                                                     received_, "; they count up by one from 1"));
    }
    if (batch.packets_size() > kMaxBatch) {
      return absl::InvalidArgumentError(absl::StrCat("a packet batch of ", batch.packets_size(),
                                                     "; at most ", kMaxBatch, " are allowed"));
    }
    received_ = batch.batch();
    const Clock::time_point now = Clock::now();
    if (!relay_ && parts_.screeners->Present(gateway_, this, hold_limit_, batch, now)) {
      MutexLock lock(mutex_);
      outbox_.Acknowledge(received_);
      WriteLocked();
    } else {
      Decide(batch, now);
    }
    return absl::OkStatus();
  }

  void Decide(const v1::PacketBatch& batch, Clock::time_point started) {
    const std::shared_ptr<const Policy> policy = parts_.policies->Current();
    rulings_.clear();
    bool asks = false;
    std::map<std::string, uint64_t> unasked;
    for (const v1::Packet& packet : batch.packets()) {
      Ruling& ruling = rulings_.emplace_back(policy->rules->Decide(packet));
      if (ruling.ask == nullptr) continue;
      if (relay_) {
        // Packets from a relay are not passed on: servers that ask each other would never end.
        ++unasked[ruling.ask->decider];
        ruling.ask = nullptr;
      } else {
        asks = true;
      }
    }
    if (!unasked.empty()) parts_.deciders->CountUnasked(unasked);
    {
      MutexLock lock(mutex_);
      for (int i = 0; i < batch.packets_size(); ++i) {
        const Ruling& ruling = rulings_[static_cast<size_t>(i)];
        if (ruling.ask != nullptr) continue;
        FillVerdict(batch.packets(i).transaction_id(), ruling, scopes_, outbox_.Add());
      }
      outbox_.Acknowledge(received_);
      outbox_.Tell(BasisNow(policy->edition(), /*screened=*/false));
      WriteLocked();
    }
    // The verdicts are on their way, so the rest delays no packet.
    if (asks) Ask(batch, *policy, started);
    const Clock::time_point now = Clock::now();
    EntriesOf(batch).Enter(batch, rulings_, policy->version, now - started);
    parts_.trials->Compare(relay_ ? batch.gateway() : gateway_, batch, rulings_, policy->rules,
                           policy->version, now);
  }

  void Ask(const v1::PacketBatch& batch, const Policy& policy, Clock::time_point now) {
    std::vector<Question> questions;
    for (int i = 0; i < batch.packets_size(); ++i) {
      const Ruling& ruling = rulings_[static_cast<size_t>(i)];
      if (ruling.ask == nullptr) continue;
      const v1::Packet& packet = batch.packets(i);
      const auto [expires, latest] = TimesOf(asker_->hello, batch, packet, ruling.ask->within, now);
      questions.push_back({.asker = asker_,
                           .rules = policy.rules,
                           .policy = policy.edition(),
                           .ruling = ruling,
                           .packet = std::make_unique<v1::Packet>(packet),
                           .transaction_id = packet.transaction_id(),
                           .presented = now,
                           .expires = expires,
                           .latest = latest});
    }
    parts_.deciders->Ask(std::move(questions));
  }

  // Where a batch's decisions are logged: under the gateway its packets come from.
  const DecisionEntries& EntriesOf(const v1::PacketBatch& batch) {
    return relayed_ ? relayed_->Of(batch.gateway()) : *entries_;
  }

  Basis BasisNow(const PolicyEdition& policy, bool screened) const {
    return {policy, screened, parts_.deciders->revision(), parts_.incarnation};
  }

  // Packets from a relay are never screened here; the relay is a server with screeners of its own.
  bool Screened() const { return !relay_ && parts_.screeners->Screening(gateway_); }

  static void Unscope(v1::Verdict* verdict) {
    verdict->clear_scope();
    verdict->clear_lifetime();
  }

  // Tells of a new basis on streams on which no packets come.
  void Ticking(Time) override {
    {
      MutexLock lock(mutex_);
      if (!greeted_) return;
    }
    const bool screened = Screened();
    MutexLock lock(mutex_);
    outbox_.Tell(BasisNow(parts_.policies->Current()->edition(), screened));
    WriteLocked();
  }

  void TakeErrors(const v1::VerdictErrors& errors) {
    parts_.screeners->Refuse(gateway_, errors);
    if (errors.entries().empty()) return;
    const auto left_out = parts_.error_lines->Allow(Clock::now());
    if (!left_out) return;
    const auto& first = errors.entries(0);
    spdlog::warn("{}: queue {}: verdict on {:#x} not carried out: {} ({}); {} more{}", gateway_,
                 queue_, first.transaction_id(), v1::VerdictError_Name(first.error()),
                 OneLine(first.text(), 256),
                 static_cast<uint64_t>(errors.entries_size()) - 1 + errors.suppressed(), *left_out);
  }

  const v1::DecideResponse* Next() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return outbox_.Next();
  }

  bool Full() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return outbox_.Full(); }

  void Leave() override {
    if (!entries_) return;
    // The asker leaves first: a gateway that has left the registry may be forgotten, and its ring
    // with it.
    asker_->Leave();
    if (relayed_) {
      relayed_->Leave();
    } else {
      parts_.screeners->LeaveStream(gateway_, this);
      parts_.registry->LeaveDecide(gateway_, std::chrono::system_clock::now());
    }
  }

  const DecideParts parts_;

  // Set by the hello, constant from then on.
  std::string gateway_;
  bool relay_ = false;
  uint32_t queue_ = 0;
  ScopeSet scopes_;
  std::chrono::nanoseconds hold_limit_{0};
  std::optional<DecisionEntries> entries_;
  std::shared_ptr<AskingStream> asker_;

  // Of the reading side: used by one reaction at a time.
  const std::unique_ptr<char[]> block_;
  google::protobuf::Arena arena_;
  uint64_t received_ = 0;
  std::vector<Ruling> rulings_;
  std::optional<RelayedGateways> relayed_;  // Set if the peer is a relay.

  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;
  DecideOutbox outbox_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void BeginDecide(std::shared_ptr<Call> call, const DecideParts& parts) {
  auto* stream = new DecideStream(std::move(call), parts);
  stream->Begin();
}

}  // namespace sluice::server
