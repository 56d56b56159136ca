#include "agent/loop/queue_loop.h"

#include <google/protobuf/util/time_util.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <future>
#include <utility>

#include "agent/netfilter/queue/queue_listing.h"
#include "agent/streams/clock.h"

namespace sluice::agent {
namespace {

// A decider that is connected but answers nothing in time for this long is left for the next one.
constexpr int64_t kUnansweredAtMost = 2'000'000'000;

// At most this many reads of 64 packets each come between two looks at verdicts and deadlines.
constexpr int kReceivesATurn = 16;

// How long a loop that ends may take for what the kernel has queued: packets go on coming until the
// socket closes.
constexpr int64_t kSettleAtMost = 50'000'000;

}  // namespace

absl::StatusOr<std::unique_ptr<QueueLoop>> QueueLoop::Open(const QueueLoopOptions& options,
                                                           const Links* links, EventSink* events,
                                                           std::function<void()> failed) {
  auto socket =
      QueueSocket::Open(options.socket, DeciderOptions::OfKernel(options.pipeline.copy_range));
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<QueueLoop>(
      new QueueLoop(options, *std::move(socket), links, events, std::move(failed)));
}

QueueLoop::QueueLoop(const QueueLoopOptions& options, std::unique_ptr<QueueSocket> socket,
                     const Links* links, EventSink* events, std::function<void()> failed)
    : options_(options),
      failed_(std::move(failed)),
      socket_(std::move(socket)),
      poller_(options.busy_poll),
      pipeline_(options.pipeline, socket_.get(), links, events),
      client_(options.hello, options.servers, &pipeline_, &poller_) {}

QueueLoop::~QueueLoop() {
  Stop();
  // Others may have sent packets since; and if it was never started, those still wait that came.
  SettleAll();
}

void QueueLoop::Start() {
  {
    MutexLock lock(mutex_);
    running_ = true;
  }
  thread_ = std::thread([this] { Run(); });
}

void QueueLoop::Stop() {
  stop_.store(true);
  wakeup_.Signal();
  if (thread_.joinable()) thread_.join();
}

void QueueLoop::Run() {
  while (!stop_.load(std::memory_order_relaxed)) {
    Turn();
    if (broken_) break;
    Wait();
  }
  SettleAll();
  {
    MutexLock lock(mutex_);
    running_ = false;
    // Those who posted before this still wait for it. Those who come now do the work themselves,
    // but not before this is done.
    for (const auto& work : posted_) work();
    posted_.clear();
  }
  if (broken_) failed_();
}

void QueueLoop::SettleAll() {
  pipeline_.SettleAll();
  readable_ = true;
  for (const int64_t end = MonotonicNow() + kSettleAtMost;
       readable_ && !broken_ && MonotonicNow() < end;) {
    Receive();
    pipeline_.SettleAll();  // With a decider, what was received would wait for it.
  }
}

void QueueLoop::Turn() {
  const int64_t now = MonotonicNow();
  pipeline_.BeginTurn(now, ReadClock(CLOCK_REALTIME));
  AttendDecider(now);
  // Send before the flush, which takes longer the more verdicts there are: meanwhile the decider
  // has work again.
  SendBatches();
  // Flush before receiving: packets that are decided need not wait for those still to be read.
  pipeline_.Flush();
  // Posted work comes after Receive, which reads the kernel's objections: otherwise statistics
  // would count verdicts that the kernel did not take.
  const bool posted = posted_flag_.exchange(false);
  if (readable_ || posted) Receive();
  if (posted) DoPosted();
  SendBatches();
  pipeline_.Flush();
  client_.EndTurn(pipeline_.pending() > 0);
  if (pipeline_.broken()) broken_ = true;
}

void QueueLoop::AttendDecider(int64_t now_ns) {
  client_.Run(now_ns);
  pipeline_.ExpireDeadlines();
  if (pipeline_.unanswered_ns() >= kUnansweredAtMost) {
    client_.Leave(now_ns, "answered nothing in time for two seconds");
  }
}

int64_t QueueLoop::NextDue() const {
  const int64_t timer = client_.NextTimer();
  const auto deadline = pipeline_.NextDeadline();
  return deadline ? std::min(timer, *deadline) : timer;
}

void QueueLoop::Wait() {
  std::array<pollfd, 2> fds{pollfd{socket_->fd(), POLLIN, 0}, pollfd{wakeup_.fd(), POLLIN, 0}};
  if (!poller_.Wait(fds, readable_ ? 0 : NextDue())) {
    spdlog::error("queue {}: poll: {}", options_.socket.queue, std::strerror(errno));
    broken_ = true;
  }
  if (fds[0].revents != 0) readable_ = true;
  if (fds[1].revents != 0) wakeup_.Clear();
}

void QueueLoop::Receive() {
  for (int i = 0; i < kReceivesATurn; ++i) {
    // Read the clocks anew: if this thread was stopped since the turn began, what is read now may
    // be old.
    pipeline_.BeginTurn(MonotonicNow(), ReadClock(CLOCK_REALTIME));
    switch (socket_->Receive(pipeline_)) {
      case QueueSocket::Received::kSome:
      case QueueSocket::Received::kOverrun:  // the gap in the packet ids counts what was lost
        break;
      case QueueSocket::Received::kDrained:
        readable_ = false;
        pipeline_.Drained();
        return;
      case QueueSocket::Received::kFailed:
        spdlog::error("queue {}: receive: {}", options_.socket.queue, std::strerror(errno));
        broken_ = true;
        return;
    }
  }
}

void QueueLoop::SendBatches() {
  // In this order: when CanSend returns false, the client makes sure of a turn once it can send,
  // which is for nothing without a batch.
  while (pipeline_.HasBatch() && client_.CanSend()) {
    v1::PacketBatch* batch = pipeline_.NextBatch(client_.round_trip_ns() / 2);
    if (batch == nullptr) return;
    client_.Send(*batch);
    pipeline_.BatchSent();
  }
}

void QueueLoop::Do(const std::function<void()>& work) {
  // Shared: the loop's thread may still be inside set_value when the wait below returns.
  const auto done = std::make_shared<std::promise<void>>();
  {
    MutexLock lock(mutex_);
    if (!running_) {
      // There is no loop before Start and after Stop: nobody else touches what belongs to it.
      work();
      return;
    }
    posted_.push_back([&work, done] {
      work();
      done->set_value();
    });
    posted_flag_.store(true);
  }
  wakeup_.Signal();
  done->get_future().wait();
}

void QueueLoop::DoPosted() {
  std::vector<std::function<void()>> posted;
  {
    MutexLock lock(mutex_);
    posted.swap(posted_);
  }
  for (const auto& work : posted) work();
}

void QueueLoop::EnterMode(v1::Mode mode) {
  Do([this, mode] {
    pipeline_.EnterMode(mode);
    pipeline_.Flush();
    // When the mode becomes off, the packets that the kernel has queued by now are let go before
    // this returns.
    if (mode != v1::MODE_OFF) return;
    readable_ = true;
    while (readable_ && !broken_) {
      Receive();
      pipeline_.Flush();
    }
  });
}

void QueueLoop::StopRemembering() {
  Do([this] { pipeline_.StopRemembering(); });
}

void QueueLoop::StartRemembering(const Rememberable& rememberable) {
  Do([this, &rememberable] { pipeline_.StartRemembering(rememberable); });
}

uint64_t QueueLoop::unslotted() {
  uint64_t unslotted = 0;
  Do([this, &unslotted] { unslotted = pipeline_.unslotted(); });
  return unslotted;
}

v1::QueueStats QueueLoop::Stats() {
  v1::QueueStats stats;
  Do([this, &stats] { stats = ReadStats(); });
  return stats;
}

v1::QueueStats QueueLoop::ReadStats() {
  v1::QueueStats stats;
  pipeline_.FillStats(stats);
  bool listed = false;
  for (const QueueListing& listing : ReadQueueListing()) {
    if (listing.queue != options_.socket.queue) continue;
    listed = true;
    queue_dropped_.Update(listing.queue_dropped);
    user_dropped_.Update(listing.user_dropped);
    numbered_.Update(listing.id_sequence);
    v1::KernelQueue& kernel = *stats.mutable_kernel();
    kernel.set_port_id(listing.port_id);
    kernel.set_waiting(listing.waiting);
    // The kernel counts them from 0 (NFQNL_COPY_*), the wire from 1.
    kernel.set_copy_mode(static_cast<v1::CopyMode>(listing.copy_mode + 1));
    kernel.set_copy_range(listing.copy_range);
    kernel.set_max_length(options_.socket.max_length);
  }
  stats.set_kernel_queue_full(queue_dropped_.total());
  stats.set_receive_overrun(listed ? user_dropped_.total() : pipeline_.missed());
  stats.set_numbered(listed ? numbered_.total() : stats.received() + pipeline_.missed());
  if (client_.connected()) {
    stats.set_decider_connected(true);
    stats.set_decider(client_.server());
    *stats.mutable_round_trip() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(client_.round_trip_ns());
  }
  stats.set_decider_connects(client_.connects());
  return stats;
}

}  // namespace sluice::agent
