#include "server/flows/event_service.h"

#include <google/protobuf/arena.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/streams/conversation.h"

namespace sluice::server {
namespace {

// The limit in event.proto.
constexpr int kMaxEvents = 256;
constexpr size_t kMaxHeartbeats = 16;

// The arena's blocks grow up to this size; an event takes some 600 bytes.
google::protobuf::ArenaOptions Blocks() {
  google::protobuf::ArenaOptions options;
  options.max_block_size = 64 * 1024;
  return options;
}

// One Report stream.
class ReportStream final : public Conversation<v1::ReportRequest, v1::ReportResponse>,
                           public GatewayStream {
 public:
  ReportStream(std::shared_ptr<Call> call, Flows* flows, DecisionLog* log, Registry* registry,
               Ticker* ticker)
      : Conversation(std::move(call), ticker),
        flows_(flows),
        log_(log),
        registry_(registry),
        arena_(Blocks()) {}

  void End(const absl::Status& why) override { Conversation::End(why); }

 private:
  ~ReportStream() override = default;

  // Messages live in an arena: parsing an event into the heap would take a dozen allocations.
  v1::ReportRequest* Clean() override {
    arena_.Reset();
    return google::protobuf::Arena::CreateMessage<v1::ReportRequest>(&arena_);
  }

  absl::Status Take(const v1::ReportRequest& request) override {
    if (joined_ == request.has_hello()) {
      return absl::InvalidArgumentError(
          joined_ ? "a second hello on a Report stream"
                  : "the first message of a Report stream must be the hello");
    }
    switch (request.message_case()) {
      case v1::ReportRequest::kHello:
        return TakeHello(request.hello());
      case v1::ReportRequest::kEvents:
        return TakeEvents(request.events());
      case v1::ReportRequest::kStats:
        registry_->SetStats(gateway_, request.stats());
        return absl::OkStatus();
      case v1::ReportRequest::kHeartbeat: {
        registry_->Heard(gateway_, std::chrono::system_clock::now());
        MutexLock lock(mutex_);
        heartbeats_.push_back(request.heartbeat());
        return absl::OkStatus();
      }
      case v1::ReportRequest::MESSAGE_NOT_SET:
        break;
    }
    // A kind of message that only a newer agent sends.
    return absl::OkStatus();
  }

  absl::Status TakeHello(const v1::ReportHello& hello) {
    const absl::Status joined = registry_->JoinReport(hello.agent(), PeerAddress(call().peer()),
                                                      std::chrono::system_clock::now(), this);
    if (!joined.ok()) return joined;
    joined_ = true;
    gateway_ = hello.agent().gateway();
    connections_ = flows_->Of(gateway_);
    ring_ = log_->RingOf(gateway_);
    MutexLock lock(mutex_);
    welcome_due_ = true;
    return absl::OkStatus();
  }

  absl::Status TakeEvents(const v1::EventBatch& batch) {
    if (batch.batch() != taken_ + 1) {
      return absl::InvalidArgumentError(absl::StrCat("event batch ", batch.batch(), " after ",
                                                     taken_, "; they count up by one from 1"));
    }
    if (batch.events_size() > kMaxEvents) {
      return absl::InvalidArgumentError(absl::StrCat("an event batch of ", batch.events_size(),
                                                     "; at most ", kMaxEvents, " are allowed"));
    }
    taken_ = batch.batch();
    connections_->Take(batch);
    packet_events_.clear();
    for (const v1::Event& event : batch.events()) {
      if (event.has_packet()) packet_events_.push_back(&event.packet());
    }
    if (!packet_events_.empty()) EnterPacketEvents();
    MutexLock lock(mutex_);
    ack_ = taken_;
    return absl::OkStatus();
  }

  void EnterPacketEvents() {
    // The log uses the server's clock: gateways' clocks differ, and a log needs one order.
    const int64_t now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
    ring_->Enter(packet_events_.size(), [&](size_t i, DecisionRecord* record) {
      const v1::PacketEvent& event = *packet_events_[i];
      record->SetHeaders(event.family(), event.headers());
      record->SetInterfaces(event.input_interface(), event.output_interface());
      record->SetReason({});
      record->time_ns = now_ns;
      record->transaction_id = event.transaction_id();
      record->policy_version = 0;
      record->waited_us = event.waited_us();
      record->length = 0;
      record->queue = event.queue();
      record->action = static_cast<uint8_t>(event.action());
      record->notify = v1::NOTIFY_UNSPECIFIED;
      record->cause = static_cast<uint8_t>(event.cause());
      record->rule = 0;
      record->scope = v1::SCOPE_PACKET;
      record->logged = false;
    });
  }

  bool StartNext() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return StartWriteIf(Next()); }

  // The next message to write, null if there is none.
  const v1::ReportResponse* Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    response_.Clear();
    if (welcome_due_) {
      welcome_due_ = false;
      response_.mutable_welcome();
    } else if (acked_ < ack_) {
      acked_ = ack_;
      response_.mutable_ack()->set_batch(acked_);
    } else if (!heartbeats_.empty()) {
      *response_.mutable_heartbeat() = heartbeats_.front();
      heartbeats_.pop_front();
    } else {
      return nullptr;
    }
    return &response_;
  }

  bool Full() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return heartbeats_.size() >= kMaxHeartbeats;
  }

  void Leave() override {
    if (joined_) registry_->LeaveReport(gateway_, this, std::chrono::system_clock::now());
  }

  Flows* const flows_;  // Not owned, nor are these.
  DecisionLog* const log_;
  Registry* const registry_;

  // Of the reading side: used by one reaction at a time.
  bool joined_ = false;
  std::string gateway_;
  GatewayFlows* connections_ = nullptr;  // Not owned; set by the hello.
  DecisionRing* ring_ = nullptr;         // Not owned; set by the hello.
  uint64_t taken_ = 0;
  google::protobuf::Arena arena_;
  std::vector<const v1::PacketEvent*> packet_events_;

  bool welcome_due_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t ack_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t acked_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::Heartbeat> heartbeats_ ABSL_GUARDED_BY(mutex_);
  v1::ReportResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

EventServiceImpl::EventServiceImpl(Flows* flows, DecisionLog* log, Registry* registry,
                                   Ticker* ticker)
    : flows_(flows), log_(log), registry_(registry), ticker_(ticker) {}

void EventServiceImpl::AddTo(Methods* methods) {
  methods->AddBidi<v1::ReportRequest, v1::ReportResponse>(
      "sluice.v1.EventService", "Report", Lane::kPackets, [this](std::shared_ptr<Call> call) {
        // Deletes itself.
        auto* stream = new ReportStream(std::move(call), flows_, log_, registry_, ticker_);
        stream->Begin();
      });
}

}  // namespace sluice::server
