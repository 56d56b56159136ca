#include "server/calls/call_queue.h"

#include <algorithm>
#include <utility>

#include "proto/polling/next_event.h"

namespace sluice::server {
namespace {

// With gRPC's epoll engine one thread waits for the network, and wakes another to wait in its place
// before it goes to work: on two processors, which agents and their network need as well, that
// costs more than the second thread brings.
int Threads() {
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 1, 16);
}

}  // namespace

CallQueue::CallQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue,
                     std::chrono::nanoseconds busy_poll)
    : queue_(std::move(queue)), busy_poll_(busy_poll) {}

CallQueue::~CallQueue() {
  {
    MutexLock lock(mutex_);
    lock.Wait(nobody_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return users_ == 0; });
  }
  queue_->Shutdown();
  // If it never started.
  if (threads_.empty()) Run();
  for (std::thread& thread : threads_) thread.join();
}

void CallQueue::Start() {
  for (int i = 0; i < Threads(); ++i) threads_.emplace_back([this] { Run(); });
}

void CallQueue::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (NextEvent(queue_.get(), busy_poll_, &tag, &ok)) Completion::Told(tag, ok);
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
