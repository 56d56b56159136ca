#include "server/decisions/decision_service.h"

#include <arpa/inet.h>
#include <google/protobuf/arena.h>
#include <spdlog/spdlog.h>

#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/decisions/line_limit.h"
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

// One Decide stream.
class DecideStream final : public Conversation<v1::DecideRequest, v1::DecideResponse> {
 public:
  DecideStream(grpc::CallbackServerContext* context, const PolicyStore* policies, DecisionLog* log,
               Registry* registry, Ticker* ticker)
      : Conversation(context, ticker),
        policies_(policies),
        log_(log),
        registry_(registry),
        block_(new char[kArenaBlock]),
        arena_(block_.get(), kArenaBlock) {}

 private:
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
    ring_ = log_->RingOf(gateway_);
    MutexLock lock(mutex_);
    welcome_due_ = true;
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
      verdicts.set_received_batch(received_);
      verdicts_due_ = true;
      WriteLocked();
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

  void Enter(const v1::PacketBatch& batch, const Policy& policy, Clock::duration taken) {
    const int64_t now_ns = Nanoseconds(std::chrono::system_clock::now());
    const auto taken_us =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(taken).count());
    ring_->Enter(rulings_.size(), [&](size_t i, DecisionRecord* record) {
      const v1::Packet& packet = batch.packets(static_cast<int>(i));
      const Ruling& ruling = rulings_[i];
      record->SetHeaders(packet.family(), packet.headers());
      record->SetInterfaces(packet.input_interface(), packet.output_interface());
      record->SetReason(ruling.reason);
      record->time_ns = now_ns;
      record->transaction_id = packet.transaction_id();
      record->policy_version = policy.version;
      record->waited_us = packet.waited_us() + taken_us;
      record->length = packet.original_length();
      record->queue = queue_;
      record->action = static_cast<uint8_t>(ruling.action);
      record->notify = static_cast<uint8_t>(
          ruling.action == v1::ACTION_DROP ? ruling.notify : v1::NOTIFY_UNSPECIFIED);
      record->cause = v1::CAUSE_VERDICT;
    });
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
      other_.mutable_welcome()->set_policy_version(absl::StrCat(policies_->Current()->version));
      return &other_;
    }
    // Verdicts first, but never twice in a row while a heartbeat waits.
    if (verdicts_due_ && (heartbeats_.empty() || !wrote_verdicts_)) {
      verdicts_due_ = false;
      wrote_verdicts_ = true;
      const v1::DecideResponse* next = &verdicts_[filling_];
      filling_ = 1 - filling_;
      // Clearing the batch, and not the message around it, keeps its memory.
      verdicts_[filling_].mutable_verdicts()->Clear();
      return next;
    }
    wrote_verdicts_ = false;
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
    if (ring_ != nullptr) registry_->LeaveDecide(gateway_, std::chrono::system_clock::now());
  }

  const PolicyStore* const policies_;  // Not owned, nor are these.
  DecisionLog* const log_;
  Registry* const registry_;

  // The reading side's: touched by one reaction at a time.
  const std::unique_ptr<char[]> block_;
  google::protobuf::Arena arena_;
  std::string gateway_;
  uint32_t queue_ = 0;
  DecisionRing* ring_ = nullptr;  // Not owned; set by the hello.
  uint64_t received_ = 0;
  std::vector<Ruling> rulings_;
  LineLimit lines_{kLinesPerSecond};

  bool welcome_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool verdicts_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool wrote_verdicts_ ABSL_GUARDED_BY(mutex_) = false;
  // One being written, one being filled.
  std::array<v1::DecideResponse, 2> verdicts_ ABSL_GUARDED_BY(mutex_);
  size_t filling_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::DecideResponse other_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Heartbeat> heartbeats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

DecisionServiceImpl::DecisionServiceImpl(const PolicyStore* policies, DecisionLog* log,
                                         Registry* registry, Ticker* ticker)
    : policies_(policies), log_(log), registry_(registry), ticker_(ticker) {}

grpc::ServerBidiReactor<v1::DecideRequest, v1::DecideResponse>* DecisionServiceImpl::Decide(
    grpc::CallbackServerContext* context) {
  // Deletes itself.
  auto* stream = new DecideStream(context, policies_, log_, registry_, ticker_);
  stream->Begin();
  return stream;
}

}  // namespace sluice::server
