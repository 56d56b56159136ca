#include "server/decide/decide_stream.h"

#include <google/protobuf/arena.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/decide/decide_outbox.h"
#include "server/decide/relayed_gateways.h"
#include "server/deciders/asking_stream.h"
#include "server/deciders/question.h"
#include "server/journal/decision_entries.h"
#include "server/packets/batch_reader.h"
#include "server/streams/conversation.h"
#include "server/streams/durations.h"
#include "server/verdicts/scope_set.h"
#include "server/verdicts/verdict.h"

namespace sluice::server {
namespace {

using Clock = std::chrono::steady_clock;

// The limit in decision.proto.
constexpr size_t kMaxBatch = 1024;

// What a batch needs while it is decided. All streams of a thread use the same.
struct Scratch {
  std::vector<PacketFields> packets;
  std::vector<Ruling> rulings;
  v1::VerdictBatch verdicts;
  // Of messages that protobuf has to read: into the heap, that would take some ten allocations per
  // packet.
  google::protobuf::Arena arena;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

// The conversation: takes what arrives and has it decided.
class DecideStream final : public Conversation<v1::DecideRequest, v1::DecideResponse>,
                           public DeferredVerdictSink {
 public:
  DecideStream(std::shared_ptr<Call> call, const DecideParts& parts)
      : Conversation(std::move(call), parts.ticker), parts_(parts) {}

  void Answer(const DeferredVerdict& deferred) override {
    v1::VerdictBatch verdicts;
    v1::Verdict* const added = verdicts.add_verdicts();
    *added = deferred.verdict;
    {
      MutexLock lock(mutex_);
      if (!scopes_.Has(added->scope())) Unscope(added);
      const Basis& told = outbox_.told();
      if (!deferred.policy) {
        outbox_.Tell(BasisNow(parts_.policies->Current()->edition(), /*screened=*/true));
      } else if (told.policy != *deferred.policy || told.screened) {
        // The agent was told another basis since: the verdict decides this packet only and must not
        // be remembered.
        Unscope(added);
      }
      outbox_.Add(verdicts);
      WriteLocked();
    }
    entries_->Enter(deferred);
  }

  void DecideByPolicy(const v1::Packet& packet, Clock::duration elapsed) override {
    const std::shared_ptr<const Policy> policy = parts_.policies->Current();
    Ruling ruling = policy->rules->Decide(packet);
    ruling.ask = nullptr;  // Too little of the packet's time is left to ask a decider.
    v1::VerdictBatch verdicts;
    FillVerdict(packet.transaction_id(), ruling, scopes_, verdicts.add_verdicts());
    {
      MutexLock lock(mutex_);
      outbox_.Add(verdicts);
      outbox_.Tell(BasisNow(policy->edition(), /*screened=*/false));
      WriteLocked();
    }
    entries_->Enter(packet, ruling, policy->version, elapsed);
  }

 private:
  ~DecideStream() override = default;

  // Most batches of packets are not made into a message: `batch_` and the thread's scratch have
  // what deciding needs.
  bool Parse(std::string_view message, v1::DecideRequest*) override {
    bytes_ = message;
    message_ = nullptr;
    batch_ = ReadBatch(message, kMaxBatch, &ThreadScratch().packets);
    if (batch_) return true;
    message_ = ParseMessage();
    if (message_ == nullptr) return false;
    if (message_->has_packets()) {
      const v1::PacketBatch& batch = message_->packets();
      batch_ = {batch.batch(), batch.gateway(), static_cast<size_t>(batch.packets_size())};
      // More are refused.
      const auto count = std::min(batch.packets_size(), static_cast<int>(kMaxBatch));
      ThreadScratch().packets.assign(batch.packets().begin(), batch.packets().begin() + count);
    }
    return true;
  }

  // What is being taken, made by protobuf; null if it is unreadable.
  const v1::DecideRequest* ParseMessage() {
    auto* const message =
        google::protobuf::Arena::CreateMessage<v1::DecideRequest>(&ThreadScratch().arena);
    return Conversation::Parse(bytes_, message) ? message : nullptr;
  }

  // The batch that is being taken, for those who keep packets.
  const v1::PacketBatch& BatchMessage() {
    if (message_ == nullptr) message_ = ParseMessage();
    // Null only if the two readers disagree, which the batch fuzzer has not found.
    return message_ == nullptr ? v1::PacketBatch::default_instance() : message_->packets();
  }

  absl::Status Take(const v1::DecideRequest&) override {
    const absl::Status status = TakeMessage();
    bytes_ = {};
    message_ = nullptr;
    batch_.reset();
    ThreadScratch().arena.Reset();
    return status;
  }

  absl::Status TakeMessage() {
    const bool hello = !batch_ && message_->has_hello();
    if ((!entries_) != hello) {
      return absl::InvalidArgumentError(
          !entries_ ? "the first message of a Decide stream must be the hello"
                    : "a second hello on a Decide stream");
    }
    if (batch_) return TakePackets(*batch_);
    switch (message_->message_case()) {
      case v1::DecideRequest::kHello:
        return TakeHello(message_->hello());
      case v1::DecideRequest::kHeartbeat: {
        parts_.registry->Heard(gateway_, std::chrono::system_clock::now());
        MutexLock lock(mutex_);
        outbox_.Echo(message_->heartbeat());
        return absl::OkStatus();
      }
      case v1::DecideRequest::kErrors:
        TakeErrors(message_->errors());
        return absl::OkStatus();
      case v1::DecideRequest::kPackets:  // Read into batch_.
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

  absl::Status TakePackets(const BatchFields& batch) {
    if (batch.packet_count > kMaxBatch) {
      return absl::InvalidArgumentError(absl::StrCat("a packet batch of ", batch.packet_count,
                                                     "; at most ", kMaxBatch, " are allowed"));
    }
    if (batch.batch != received_ + 1) {
      return absl::InvalidArgumentError(absl::StrCat("packet batch ", batch.batch, " after ",
                                                     received_, "; they count up by one from 1"));
    }
    received_ = batch.batch;
    const Clock::time_point now = Clock::now();
    if (Screened() && parts_.screeners->Present(gateway_, this, hold_limit_, BatchMessage(), now)) {
      MutexLock lock(mutex_);
      outbox_.Acknowledge(received_);
    } else {
      Decide(batch, now);
    }
    return absl::OkStatus();
  }

  // What is due is written once everything that arrived with the batch was taken.
  void Decide(const BatchFields& batch, Clock::time_point started) {
    const std::shared_ptr<const Policy> policy = parts_.policies->Current();
    const std::vector<PacketFields>& packets = ThreadScratch().packets;
    std::vector<Ruling>& rulings = ThreadScratch().rulings;
    rulings.clear();
    bool asks = false;
    std::map<std::string, uint64_t> unasked;
    for (const PacketFields& packet : packets) {
      Ruling& ruling = rulings.emplace_back(policy->rules->Decide(packet));
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
    v1::VerdictBatch& verdicts = ThreadScratch().verdicts;
    verdicts.Clear();
    for (size_t i = 0; i < packets.size(); ++i) {
      if (rulings[i].ask != nullptr) continue;
      FillVerdict(packets[i].transaction_id, rulings[i], scopes_, verdicts.add_verdicts());
    }
    {
      MutexLock lock(mutex_);
      outbox_.Add(verdicts);
      outbox_.Acknowledge(received_);
      outbox_.Tell(BasisNow(policy->edition(), /*screened=*/false));
    }
    if (asks) Ask(rulings, *policy, started);
    const Clock::time_point now = Clock::now();
    EntriesOf(batch).Enter(packets, rulings, policy->version, now - started);
    if (parts_.trials->Any()) {
      parts_.trials->Compare(
          relay_ ? std::string(batch.gateway) : gateway_, packets,
          [this]() -> const v1::PacketBatch& { return BatchMessage(); }, rulings, policy->rules,
          policy->version, now);
    }
  }

  void Ask(const std::vector<Ruling>& rulings, const Policy& policy, Clock::time_point now) {
    const v1::PacketBatch& batch = BatchMessage();
    std::vector<Question> questions;
    const size_t count = std::min(rulings.size(), static_cast<size_t>(batch.packets_size()));
    for (size_t i = 0; i < count; ++i) {
      const Ruling& ruling = rulings[i];
      if (ruling.ask == nullptr) continue;
      const v1::Packet& packet = batch.packets(static_cast<int>(i));
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
  const DecisionEntries& EntriesOf(const BatchFields& batch) {
    return relayed_ ? relayed_->Of(std::string(batch.gateway)) : *entries_;
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

  bool StartNext() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::optional<std::string_view> next = outbox_.Next();
    if (next) StartWriteSerialized(*next);
    return next.has_value();
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
  uint64_t received_ = 0;
  // The message that is being taken: none between two of them.
  std::string_view bytes_;
  const v1::DecideRequest* message_ = nullptr;  // Of the thread's arena; null until it is needed.
  std::optional<BatchFields> batch_;        // Set if it is one; ThreadScratch() has its packets.
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
