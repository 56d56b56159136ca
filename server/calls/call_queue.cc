#include "server/calls/call_queue.h"

#include <algorithm>
#include <utility>

namespace sluice::server {
namespace {

// Half as many threads as processors. With gRPC's epoll engine one thread waits for the network,
// and before it goes to work it wakes another to wait in its place. On two processors, which an
// agent and the network need as well, this costs more than a second thread brings.
size_t Threads() {
  static const size_t threads = std::clamp(std::thread::hardware_concurrency() / 2, 1u, 16u);
  return threads;
}

// Ten times as long as the longest of the usual reactions. It takes up to two such periods to see
// that the threads are held up: a fifth of the time a packet usually has.
constexpr std::chrono::milliseconds kPatience{5};

}  // namespace

CallQueue::CallQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue,
                     std::chrono::nanoseconds busy_poll)
    : queue_(std::move(queue)), busy_poll_(busy_poll) {}

CallQueue::~CallQueue() {
  {
    MutexLock lock(mutex_);
    lock.Wait(nobody_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return users_ == 0; });
    is_over_ = true;
  }
  over_.notify_all();
  if (spare_.joinable()) spare_.join();
  queue_->Shutdown();
  // Start was never called: empty the queue here.
  if (threads_.empty()) Run();
  for (std::thread& thread : threads_) thread.join();
}

void CallQueue::Start() {
  for (size_t i = 0; i < Threads(); ++i) threads_.emplace_back([this] { Run(); });
  spare_ = std::thread([this] { RunSpare(); });
}

void CallQueue::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (NextEvent(queue_.get(), busy_poll_, &tag, &ok)) {
    ++at_work_;
    Completion::Told(tag, ok);
    ++told_;
    --at_work_;
  }
}

bool CallQueue::HeldUp(uint64_t told) const { return at_work_ == Threads() && told_ == told; }

void CallQueue::RunSpare() {
  for (uint64_t told = 0;; told = told_) {
    {
      MutexLock lock(mutex_);
      if (lock.WaitFor(over_, kPatience,
                       [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return is_over_; })) {
        return;
      }
    }
    while (HeldUp(told)) {
      void* tag = nullptr;
      bool ok = false;
      const auto soon = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                     gpr_time_from_millis(kPatience.count(), GPR_TIMESPAN));
      if (queue_->AsyncNext(&tag, &ok, soon) == grpc::CompletionQueue::GOT_EVENT) {
        Completion::Told(tag, ok);
      }
    }
  }
}

void CallQueue::Enter() {
  MutexLock lock(mutex_);
  ++users_;
}

void CallQueue::Leave() {
  MutexLock lock(mutex_);
  if (--users_ == 0) nobody_.notify_all();
}

}  // namespace sluice::server
