#include "server/screen/screen_stream.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "server/streams/conversation.h"
#include "server/streams/durations.h"

namespace sluice::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxHeartbeats = 16;
// The limit of VerdictErrors in decision.proto.
constexpr int kMaxErrors = 16;
// Packets that may wait to be written. A caller that leaves this many unread gets no more.
constexpr size_t kMaxUnread = Screeners::kMostWaiting;

class ScreenStream final : public Conversation<v1::ScreenRequest, v1::ScreenResponse>,
                           public Screener {
 public:
  ScreenStream(std::shared_ptr<Call> call, Screeners* screeners, const Registry* registry,
               Ticker* ticker)
      : Conversation(std::move(call), ticker), screeners_(screeners), registry_(registry) {}

  bool Give(const v1::PacketBatch& batch) override {
    MutexLock lock(mutex_);
    if (ended()) return true;  // Leave comes next and hands them to the policy.
    if (unread_ + static_cast<size_t>(batch.packets_size()) > kMaxUnread) return false;
    unread_ += static_cast<size_t>(batch.packets_size());
    packets_.push_back({Clock::now(), batch});
    packets_.back().batch.set_batch(++batches_);
    KeepFromGone(batch);
    WriteLocked();
    return true;
  }

  void Gone(const std::vector<uint64_t>& transaction_ids) override {
    MutexLock lock(mutex_);
    for (const uint64_t id : transaction_ids) gone_.add_transaction_ids(id);
    WriteLocked();
  }

  void Refused(const v1::VerdictErrors& errors) override {
    MutexLock lock(mutex_);
    uint64_t suppressed = errors_.suppressed() + errors.suppressed();
    for (const auto& entry : errors.entries()) {
      if (errors_.entries_size() < kMaxErrors) {
        *errors_.add_entries() = entry;
      } else {
        ++suppressed;
      }
    }
    errors_.set_suppressed(suppressed);
    WriteLocked();
  }

 private:
  struct Unread {
    Clock::time_point since;
    v1::PacketBatch batch;
  };

  ~ScreenStream() override = default;

  absl::Status Take(const v1::ScreenRequest& request) override {
    if (gateway_.empty() != request.has_hello()) {
      return absl::InvalidArgumentError(
          gateway_.empty() ? "the first message of a Screen stream must be the hello"
                           : "a second hello on a Screen stream");
    }
    switch (request.message_case()) {
      case v1::ScreenRequest::kHello:
        return TakeHello(request.hello());
      case v1::ScreenRequest::kVerdicts:
        screeners_->Answer(gateway_, request.verdicts(), Clock::now());
        return absl::OkStatus();
      case v1::ScreenRequest::kHeartbeat: {
        MutexLock lock(mutex_);
        heartbeats_.push_back(request.heartbeat());
        return absl::OkStatus();
      }
      case v1::ScreenRequest::MESSAGE_NOT_SET:
        break;
    }
    // A kind of message that only a newer caller sends.
    return absl::OkStatus();
  }

  absl::Status TakeHello(const v1::ScreenHello& hello) {
    if (absl::Status asks = registry_->CheckAsking(hello.gateway()); !asks.ok()) return asks;
    const std::string address = PeerAddress(call().peer());
    {
      // Packets may come as soon as Enter is called, and the welcome must go before them.
      MutexLock lock(mutex_);
      welcome_due_ = true;
    }
    absl::Status entered = screeners_->Enter(hello.gateway(), address, this);
    if (!entered.ok()) {
      MutexLock lock(mutex_);
      welcome_due_ = false;
      return entered;
    }
    gateway_ = hello.gateway();
    spdlog::info("{}: its packets are screened by {}, no longer by the policy", gateway_, address);
    MutexLock lock(mutex_);
    entered_ = true;
    return absl::OkStatus();
  }

  bool StartNext() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return StartWriteIf(Next()); }

  // The next message to write, null if there is none.
  const v1::ScreenResponse* Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (welcome_due_) {
      welcome_due_ = false;
      response_.mutable_welcome();
    } else if (!heartbeats_.empty()) {
      *response_.mutable_heartbeat() = heartbeats_.front();
      heartbeats_.pop_front();
    } else if (!packets_.empty()) {
      Unread& first = packets_.front();
      unread_ -= static_cast<size_t>(first.batch.packets_size());
      TakeOff(Clock::now() - first.since, first.batch.mutable_time_left());
      *response_.mutable_packets() = std::move(first.batch);
      packets_.pop_front();
    } else if (gone_.transaction_ids_size() > 0) {
      // Goes after the packets it names; it names none that was given again since (KeepFromGone).
      *response_.mutable_gone() = std::exchange(gone_, {});
    } else if (errors_.entries_size() > 0 || errors_.suppressed() > 0) {
      *response_.mutable_errors() = std::exchange(errors_, {});
    } else {
      return nullptr;
    }
    return &response_;
  }

  // Packets that are given again, because a newer Decide stream presented them, are not gone after
  // all.
  void KeepFromGone(const v1::PacketBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (gone_.transaction_ids_size() == 0) return;
    absl::flat_hash_set<uint64_t> given;
    for (const v1::Packet& packet : batch.packets()) given.insert(packet.transaction_id());
    auto& ids = *gone_.mutable_transaction_ids();
    ids.erase(std::remove_if(ids.begin(), ids.end(),
                             [&given](uint64_t id) { return given.contains(id); }),
              ids.end());
  }

  static void TakeOff(Clock::duration taken, google::protobuf::Duration* left) {
    SetDuration(ToDuration(*left) - taken, left);
  }

  bool Full() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return heartbeats_.size() >= kMaxHeartbeats;
  }

  void Ticking(Time now) override {
    {
      MutexLock lock(mutex_);
      if (!entered_) return;
    }
    screeners_->Expire(gateway_, now);
  }

  void Leave() override {
    if (gateway_.empty()) return;
    screeners_->Leave(gateway_, this, Clock::now());
    spdlog::info("{}: its packets go to the policy again", gateway_);
  }

  Screeners* const screeners_;  // Not owned, nor is the next.
  const Registry* const registry_;

  std::string gateway_;  // Used by the reading side alone until entered_; constant from then on.

  bool entered_ ABSL_GUARDED_BY(mutex_) = false;
  bool welcome_due_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Unread> packets_ ABSL_GUARDED_BY(mutex_);
  size_t unread_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::PacketsGone gone_ ABSL_GUARDED_BY(mutex_);
  v1::VerdictErrors errors_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Heartbeat> heartbeats_ ABSL_GUARDED_BY(mutex_);
  v1::ScreenResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void BeginScreen(std::shared_ptr<Call> call, Screeners* screeners, const Registry* registry,
                 Ticker* ticker) {
  auto* stream = new ScreenStream(std::move(call), screeners, registry, ticker);
  stream->Begin();
}

}  // namespace sluice::server
