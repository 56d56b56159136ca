#include "server/calls/call_queue.h"

#include <algorithm>
#include <utility>

#include "server/calls/next_event.h"

namespace sluice::server {
namespace {

// With gRPC's epoll engine one thread waits for the network, and wakes another to wait in its place
// before it goes to work: on two processors, which agents and their network need as well, that
// costs more than the second thread brings.
size_t Threads() {
  static const size_t threads = std::clamp(std::thread::hardware_concurrency() / 2, 1u, 16u);
  return threads;
}

// Ten times what the longest of usual reactions takes, and, as it takes up to two of them to see
// that a thread is held up, a fifth of the time a packet usually has.
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
  // If it never started.
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
