#include "server/decisions/decision_service.h"

#include <arpa/inet.h>
#include <google/protobuf/arena.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/decisions/line_limit.h"
#include "server/screen/screens.h"
#include "server/streams/conversation.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;
using Clock = std::chrono::steady_clock;

// As the wire says.
constexpr int kMaxBatch = 1024;
// Verdicts that may pile up behind a peer that does not read: eight full batches. An agent has
// one or two batches under way on a local link and some more on a long one.
constexpr int kMaxVerdicts = 8 * kMaxBatch;
constexpr size_t kMaxHeartbeats = 16;
// Lines a stream may log each second, of packets that matched a rule with `log`.
constexpr uint32_t kLinesPerSecond = 50;
// The reason of a screener's verdict, or how it begins.
constexpr char kByScreen[] = "by screen";
// A usual batch (some 20 packets of 128 bytes) parses into this without asking for memory.
constexpr size_t kArenaBlock = 32 * 1024;

grpc::Status Broken(const std::string& what) {
  return grpc::Status(StatusCode::INVALID_ARGUMENT, what);
}

int64_t Nanoseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::string Address(const std::string& bytes, bool has_port, uint32_t port) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (bytes.size() == 4) inet_ntop(AF_INET, bytes.data(), text, sizeof(text));
  if (bytes.size() == 16) inet_ntop(AF_INET6, bytes.data(), text, sizeof(text));
  if (!has_port) return text;
  return bytes.size() == 16 ? absl::StrCat("[", text, "]:", port) : absl::StrCat(text, ":", port);
}

// Of what agents send: never negative, at most a day.
std::chrono::nanoseconds ToDuration(const google::protobuf::Duration& duration) {
  constexpr int64_t kDay = 24 * 3600;
  return std::chrono::seconds(std::clamp<int64_t>(duration.seconds(), 0, kDay)) +
         std::chrono::nanoseconds(std::clamp(duration.nanos(), 0, 999'999'999));
}

// As much of a reason as the wire promises to keep, no character cut in two.
std::string KeptReason(std::string reason) {
  constexpr size_t kKept = 256;
  if (reason.size() <= kKept) return reason;
  size_t end = kKept;
  while (end > 0 && (static_cast<uint8_t>(reason[end]) & 0xc0) == 0x80) --end;
  reason.resize(end);
  return reason;
}

// One Decide stream.
class DecideStream final : public Conversation<v1::DecideRequest, v1::DecideResponse>,
                           public ScreenedStream {
 public:
  DecideStream(grpc::CallbackServerContext* context, const PolicyStore* policies, Screens* screens,
               DecisionLog* log, Registry* registry, Ticker* ticker)
      : Conversation(context, ticker),
        policies_(policies),
        screens_(screens),
        log_(log),
        registry_(registry),
        block_(new char[kArenaBlock]),
        arena_(block_.get(), kArenaBlock) {}

  void Answer(const v1::Packet& packet, const v1::Verdict& verdict,
              Clock::duration taken) override {
    const std::string reason =
        KeptReason(absl::StrCat(kByScreen, verdict.reason().empty() ? "" : ": ", verdict.reason()));
    {
      MutexLock lock(mutex_);
      v1::Verdict* const added = verdicts_[filling_].mutable_verdicts()->add_verdicts();
      *added = verdict;
      added->set_reason(reason);
      SendVerdicts({policies_->Current()->version, /*screened=*/true});
    }
    if (verdict.action() == v1::ACTION_HOLD) return;  // Not decided yet.
    const v1::Action action =
        verdict.action() == v1::ACTION_UNSPECIFIED ? v1::ACTION_DROP : verdict.action();
    EnterOne(packet, {action, verdict.notify(), 0, false, reason}, 0, taken);
  }

  void DecideByPolicy(const v1::Packet& packet, Clock::duration taken) override {
    const std::shared_ptr<const Policy> policy = policies_->Current();
    const Ruling ruling = policy->rules->Decide(packet);
    {
      MutexLock lock(mutex_);
      Answer(packet.transaction_id(), ruling,
             verdicts_[filling_].mutable_verdicts()->add_verdicts());
      SendVerdicts({policy->version, /*screened=*/false});
    }
    EnterOne(packet, ruling, policy->version, taken);
  }

 private:
  // What verdicts follow; the agent forgets those it remembers when it is told of another.
  struct Basis {
    uint64_t policy = 0;
    bool screened = false;

    bool operator==(const Basis&) const = default;
    std::string Words() const { return absl::StrCat(policy, screened ? " (screened)" : ""); }
  };

  ~DecideStream() override = default;

  // Messages live in an arena: a batch parsed into the heap would take some ten allocations a
  // packet.
  v1::DecideRequest* Clean() override {
    arena_.Reset();
    return google::protobuf::Arena::CreateMessage<v1::DecideRequest>(&arena_);
  }

  grpc::Status Take(const v1::DecideRequest& request) override {
    if ((ring_ == nullptr) != request.has_hello()) {
      return Broken(ring_ == nullptr ? "the first message of a Decide stream must be the hello"
                                     : "a second hello on a Decide stream");
    }
    switch (request.message_case()) {
      case v1::DecideRequest::kHello:
        return TakeHello(request.hello());
      case v1::DecideRequest::kPackets:
        return TakePackets(request.packets());
      case v1::DecideRequest::kHeartbeat: {
        registry_->Heard(gateway_, std::chrono::system_clock::now());
        MutexLock lock(mutex_);
        heartbeats_.push_back(request.heartbeat());
        return grpc::Status::OK;
      }
      case v1::DecideRequest::kErrors:
        TakeErrors(request.errors());
        return grpc::Status::OK;
      case v1::DecideRequest::MESSAGE_NOT_SET:
        break;
    }
    // A kind of message of a newer agent's.
    return grpc::Status::OK;
  }

  grpc::Status TakeHello(const v1::DecideHello& hello) {
    const grpc::Status joined = registry_->JoinDecide(hello.agent(), PeerAddress(context().peer()),
                                                      std::chrono::system_clock::now());
    if (!joined.ok()) return joined;
    gateway_ = hello.agent().gateway();
    queue_ = hello.queue();
    hold_limit_ = ToDuration(hello.hold_limit());
    ring_ = log_->RingOf(gateway_);
    const bool screened = screens_->Screening(gateway_);
    MutexLock lock(mutex_);
    welcome_due_ = true;
    greeted_ = true;
    told_ = {policies_->Current()->version, screened};
    return grpc::Status::OK;
  }

  grpc::Status TakePackets(const v1::PacketBatch& batch) {
    if (batch.batch() != received_ + 1) {
      return Broken(absl::StrCat("packet batch ", batch.batch(), " after ", received_,
                                 "; they count up by one from 1"));
    }
    if (batch.packets_size() > kMaxBatch) {
      return Broken(absl::StrCat("a packet batch of ", batch.packets_size(), "; at most ",
                                 kMaxBatch, " are allowed"));
    }
    received_ = batch.batch();
    const Clock::time_point started = Clock::now();
    if (screens_->Present(gateway_, this, hold_limit_, batch, started)) {
      MutexLock lock(mutex_);
      acknowledged_ = received_;
      verdicts_due_ = true;
      WriteLocked();
      return grpc::Status::OK;
    }
    const std::shared_ptr<const Policy> policy = policies_->Current();
    rulings_.clear();
    for (const v1::Packet& packet : batch.packets()) {
      rulings_.push_back(policy->rules->Decide(packet));
    }
    {
      MutexLock lock(mutex_);
      v1::VerdictBatch& verdicts = *verdicts_[filling_].mutable_verdicts();
      for (int i = 0; i < batch.packets_size(); ++i) {
        Answer(batch.packets(i).transaction_id(), rulings_[static_cast<size_t>(i)],
               verdicts.add_verdicts());
      }
      acknowledged_ = received_;
      SendVerdicts({policy->version, /*screened=*/false});
    }
    // The verdicts are on their way; the rest delays nobody.
    Enter(batch, *policy, Clock::now() - started);
    LogLines(batch, started);
    return grpc::Status::OK;
  }

  static void Answer(uint64_t transaction_id, const Ruling& ruling, v1::Verdict* verdict) {
    verdict->set_transaction_id(transaction_id);
    verdict->set_action(ruling.action);
    verdict->set_reason(ruling.reason.data(), ruling.reason.size());
    if (ruling.action == v1::ACTION_DROP) verdict->set_notify(ruling.notify);
  }

  // What has been put into the batch being filled may go out. A Retune follows it if it was
  // decided on another basis than the agent was told last: what the agent remembers of it, and
  // of all before, is void then, so a verdict of an old policy never outlives it.
  void SendVerdicts(const Basis& basis) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    verdicts_due_ = true;
    Tell(basis);
    WriteLocked();
  }

  void Tell(const Basis& basis) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (basis == told_) return;
    told_ = basis;
    retune_due_ = true;
    wrote_verdicts_ = false;  // Those that are due go first.
  }

  // For streams on which nothing is asked.
  void Ticking(Time) override {
    {
      MutexLock lock(mutex_);
      if (!greeted_) return;
    }
    const bool screened = screens_->Screening(gateway_);
    MutexLock lock(mutex_);
    Tell({policies_->Current()->version, screened});
    WriteLocked();
  }

  void Enter(const v1::PacketBatch& batch, const Policy& policy, Clock::duration taken) {
    const int64_t now_ns = Nanoseconds(std::chrono::system_clock::now());
    ring_->Enter(rulings_.size(), [&](size_t i, DecisionRecord* record) {
      Fill(batch.packets(static_cast<int>(i)), rulings_[i], policy.version, taken, record);
      record->time_ns = now_ns;
    });
  }

  void EnterOne(const v1::Packet& packet, const Ruling& ruling, uint64_t policy_version,
                Clock::duration taken) {
    ring_->Enter(1, [&](size_t, DecisionRecord* record) {
      Fill(packet, ruling, policy_version, taken, record);
      record->time_ns = Nanoseconds(std::chrono::system_clock::now());
    });
  }

  // All but the time.
  void Fill(const v1::Packet& packet, const Ruling& ruling, uint64_t policy_version,
            Clock::duration taken, DecisionRecord* record) const {
    record->SetPacket(packet);
    record->SetReason(ruling.reason);
    record->policy_version = policy_version;
    record->waited_us +=
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(taken).count());
    record->queue = queue_;
    record->action = static_cast<uint8_t>(ruling.action);
    record->notify = static_cast<uint8_t>(
        ruling.action == v1::ACTION_DROP ? ruling.notify : v1::NOTIFY_UNSPECIFIED);
    record->cause = v1::CAUSE_VERDICT;
  }

  void LogLines(const v1::PacketBatch& batch, Clock::time_point now) {
    for (int i = 0; i < batch.packets_size(); ++i) {
      const Ruling& ruling = rulings_[static_cast<size_t>(i)];
      if (!ruling.log || !lines_.Allow(now)) continue;
      if (const uint64_t left_out = lines_.TakeLeftOut(); left_out > 0) {
        spdlog::info("{}: {} more packets were to be logged", gateway_, left_out);
      }
      const v1::Headers& headers = batch.packets(i).headers();
      spdlog::info("{}: {} {} -> {} protocol {} length {}: {}", gateway_,
                   ruling.action == v1::ACTION_ACCEPT ? "accept" : "drop",
                   Address(headers.source(), headers.has_source_port(), headers.source_port()),
                   Address(headers.destination(), headers.has_destination_port(),
                           headers.destination_port()),
                   headers.protocol(), batch.packets(i).original_length(),
                   absl::StrCat(absl::string_view(ruling.reason.data(), ruling.reason.size())));
    }
  }

  void TakeErrors(const v1::VerdictErrors& errors) {
    screens_->Refuse(gateway_, errors);
    if (errors.entries().empty() || !lines_.Allow(Clock::now())) return;
    const auto& first = errors.entries(0);
    spdlog::warn("{}: queue {}: verdict on {:#x} not carried out: {} ({}); {} more", gateway_,
                 queue_, first.transaction_id(), v1::VerdictError_Name(first.error()),
                 first.text().substr(0, 256),
                 static_cast<uint64_t>(errors.entries_size()) - 1 + errors.suppressed());
  }

  const v1::DecideResponse* Next() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (welcome_due_) {
      welcome_due_ = false;
      other_.mutable_welcome()->set_policy_version(told_.Words());
      return &other_;
    }
    // Verdicts first, but never twice in a row while something else waits.
    const bool others = retune_due_ || !heartbeats_.empty();
    if (verdicts_due_ && !(others && wrote_verdicts_)) {
      verdicts_due_ = false;
      wrote_verdicts_ = true;
      verdicts_[filling_].mutable_verdicts()->set_received_batch(acknowledged_);
      const v1::DecideResponse* next = &verdicts_[filling_];
      filling_ = 1 - filling_;
      // Clearing the batch, and not the message around it, keeps its memory.
      verdicts_[filling_].mutable_verdicts()->Clear();
      return next;
    }
    wrote_verdicts_ = false;
    if (std::exchange(retune_due_, false)) {
      other_.mutable_retune()->set_policy_version(told_.Words());
      return &other_;
    }
    if (heartbeats_.empty()) return nullptr;
    *other_.mutable_heartbeat() = heartbeats_.front();
    heartbeats_.pop_front();
    return &other_;
  }

  bool Full() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return verdicts_[filling_].verdicts().verdicts_size() >= kMaxVerdicts ||
           heartbeats_.size() >= kMaxHeartbeats;
  }

  void Leave() override {
    if (ring_ == nullptr) return;
    // First: whoever has left the registry may be forgotten, and its ring with it.
    screens_->LeaveStream(gateway_, this);
    registry_->LeaveDecide(gateway_, std::chrono::system_clock::now());
  }

  const PolicyStore* const policies_;  // Not owned, nor are these.
  Screens* const screens_;
  DecisionLog* const log_;
  Registry* const registry_;

  // Set by the hello, constant from then on.
  std::string gateway_;
  uint32_t queue_ = 0;
  std::chrono::nanoseconds hold_limit_{0};
  DecisionRing* ring_ = nullptr;  // Not owned.

  // The reading side's: touched by one reaction at a time.
  const std::unique_ptr<char[]> block_;
  google::protobuf::Arena arena_;
  uint64_t received_ = 0;
  std::vector<Ruling> rulings_;
  LineLimit lines_{kLinesPerSecond};

  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;
  bool welcome_due_ ABSL_GUARDED_BY(mutex_) = false;
  Basis told_ ABSL_GUARDED_BY(mutex_);
  bool retune_due_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  bool verdicts_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool wrote_verdicts_ ABSL_GUARDED_BY(mutex_) = false;
  // One being written, one being filled.
  std::array<v1::DecideResponse, 2> verdicts_ ABSL_GUARDED_BY(mutex_);
  size_t filling_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::DecideResponse other_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Heartbeat> heartbeats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

DecisionServiceImpl::DecisionServiceImpl(const PolicyStore* policies, Screens* screens,
                                         DecisionLog* log, Registry* registry, Ticker* ticker)
    : policies_(policies), screens_(screens), log_(log), registry_(registry), ticker_(ticker) {}

grpc::ServerBidiReactor<v1::DecideRequest, v1::DecideResponse>* DecisionServiceImpl::Decide(
    grpc::CallbackServerContext* context) {
  // Deletes itself.
  auto* stream = new DecideStream(context, policies_, screens_, log_, registry_, ticker_);
  stream->Begin();
  return stream;
}

}  // namespace sluice::server
