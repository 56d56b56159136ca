#include "agent/streams/event_reporter.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/streams/clock.h"

namespace sluice::agent {
namespace {

// The conversation's limits (event.proto, 3).
constexpr size_t kBatchSize = 256;
constexpr uint64_t kUnacknowledged = 8;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

EventReporter::EventReporter(EventReporterOptions options, std::function<void()> failed)
    : options_(std::move(options)), failed_(std::move(failed)), backlog_(options_.backlog) {}

EventReporter::~EventReporter() { Stop(); }

void EventReporter::Start(std::function<v1::GatewayStats()> stats,
                          std::function<void(v1::GapCause)> resync) {
  stats_ = std::move(stats);
  resync_ = std::move(resync);
  thread_ = std::thread([this] { Run(); });
}

void EventReporter::Stop() {
  stopping_ = true;
  wakeup_.Signal();
  if (thread_.joinable()) thread_.join();
}

void EventReporter::Post(v1::Event event) {
  MutexLock lock(mutex_);
  backlog_.Post(std::move(event));
  if (!idle_ || backlog_.empty()) return;
  idle_ = false;
  wakeup_.Signal();
}

bool EventReporter::Congested() const {
  MutexLock lock(mutex_);
  return backlog_.congested();
}

EventReporter::Counters EventReporter::counters() const {
  MutexLock lock(mutex_);
  return {.lost = backlog_.lost(), .gaps = backlog_.gaps()};
}

void EventReporter::FillHello(v1::ReportRequest& request) {
  sent_batch_ = acknowledged_batch_ = 0;
  *request.mutable_hello()->mutable_agent() = options_.agent;
}

absl::Status EventReporter::OnWelcome(const v1::ReportResponse&) {
  {
    MutexLock lock(mutex_);
    backlog_.Open();
  }
  stats_due_ns_ = 0;
  resync_(v1::GAP_CAUSE_STREAM_START);
  return absl::OkStatus();
}

absl::Status EventReporter::OnMessage(v1::ReportResponse& response) {
  if (!response.has_ack()) return absl::OkStatus();  // from a newer server
  const uint64_t batch = response.ack().batch();
  if (batch > sent_batch_) {
    return absl::InvalidArgumentError(
        absl::StrCat("acknowledged event batch ", batch, ", but only ", sent_batch_, " were sent"));
  }
  acknowledged_batch_ = std::max(acknowledged_batch_, batch);
  return absl::OkStatus();
}

void EventReporter::OnLost() {
  MutexLock lock(mutex_);
  backlog_.Close();
}

void EventReporter::Run() {
  // Its destructor cancels the stream and waits until that is done.
  Conversation<ReportTraits> conversation("events", options_.servers, this, &poller_);
  while (!stopping_) {
    conversation.Run(MonotonicNow());
    conversation.Acknowledged(MonotonicNow(), sent_batch_, acknowledged_batch_);
    const int64_t stats_due_ns = Send(conversation, MonotonicNow());
    conversation.EndTurn(/*expecting=*/sent_batch_ > acknowledged_batch_);
    pollfd fd{wakeup_.fd(), POLLIN, 0};
    if (!poller_.Wait({&fd, 1}, std::min(conversation.NextTimer(), stats_due_ns))) {
      spdlog::error("events: poll: {}", std::strerror(errno));
      failed_();
      break;
    }
    if (fd.revents != 0) wakeup_.Clear();
  }
  MutexLock lock(mutex_);
  backlog_.Close();
}

int64_t EventReporter::Send(Conversation<ReportTraits>& conversation, int64_t now_ns) {
  // The end of a write and an acknowledgement wake the thread.
  while (conversation.Writable()) {
    if (now_ns >= stats_due_ns_) {
      stats_due_ns_ = now_ns + std::chrono::nanoseconds(options_.stats_interval).count();
      *conversation.outgoing().mutable_stats() = stats_();
    } else if (sent_batch_ - acknowledged_batch_ >= kUnacknowledged) {
      return stats_due_ns_;
    } else if (v1::EventBatch& batch = *conversation.outgoing().mutable_events();
               !TakeBatch(batch)) {
      return stats_due_ns_;
    }
    conversation.Write();
  }
  return kNever;
}

bool EventReporter::TakeBatch(v1::EventBatch& batch) {
  batch.Clear();
  bool resync = false;
  {
    MutexLock lock(mutex_);
    backlog_.Take(kBatchSize, *batch.mutable_events());
    idle_ = batch.events().empty();
    resync = backlog_.TakeResyncRequest();
  }
  if (resync) resync_(v1::GAP_CAUSE_BACKLOG_FULL);
  if (batch.events().empty()) return false;
  batch.set_batch(++sent_batch_);
  return true;
}

}  // namespace sluice::agent
