#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Like `queue->Next(tag, ok)`, but polls for an event for `busy_poll` before it sleeps: an event
// that comes meanwhile need not wake a thread. With 0 it sleeps at once.
inline bool NextEvent(grpc::CompletionQueue* queue, std::chrono::nanoseconds busy_poll, void** tag,
                      bool* ok) {
  using Clock = std::chrono::steady_clock;
  if (busy_poll.count() > 0) {
    const Clock::time_point end = Clock::now() + busy_poll;
    do {
      switch (queue->AsyncNext(tag, ok, gpr_inf_past(GPR_CLOCK_MONOTONIC))) {
        case grpc::CompletionQueue::GOT_EVENT:
          return true;
        case grpc::CompletionQueue::SHUTDOWN:
          return false;
        case grpc::CompletionQueue::TIMEOUT:
          break;
      }
    } while (Clock::now() < end);
  }
  return queue->Next(tag, ok);
}

// Is notified when gRPC has done what it was asked to do.
class Completion {
 public:
  // `ok` is false if the operation failed, which mostly means that the call is over.
  virtual void Complete(bool ok) = 0;

  // The tag that gRPC is given with an operation.
  void* Tag() {
    asked_.store(true, std::memory_order_release);
    return this;
  }
  static void Told(void* tag, bool ok) {
    auto* completion = static_cast<Completion*>(tag);
    // Pairs with the store in Tag(): gRPC orders the two, but in a way ThreadSanitizer cannot see.
    completion->asked_.load(std::memory_order_acquire);
    completion->Complete(ok);
  }

 protected:
  Completion() = default;
  ~Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

 private:
  std::atomic<bool> asked_{false};
};

// The completion queue of all calls of this server, and the threads that wait on it. gRPC's
// callback interface has threads of its own that hand events to each other, which costs one more
// wake-up for each message (docs/performance.md).
//
// A reaction should not take long, and must not wait for a disk or a DNS lookup. If all threads are
// held up at once nevertheless, a spare thread takes over within some milliseconds.
class CallQueue final {
 public:
  // Keeps the queue open. Held by each call and by each CallAcceptor.
  class User final {
   public:
    explicit User(CallQueue* queue) : queue_(queue) { queue_->Enter(); }
    ~User() { queue_->Leave(); }
    User(const User&) = delete;
    User& operator=(const User&) = delete;

   private:
    CallQueue* const queue_;  // Not owned.
  };

  // Before its threads sleep, they poll for events for `busy_poll`.
  CallQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue, std::chrono::nanoseconds busy_poll);
  // Waits until the last User has left. They leave once the server is shut down.
  ~CallQueue();
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // Called once the server has started.
  void Start();

  grpc::ServerCompletionQueue* get() { return queue_.get(); }

 private:
  void Run();
  void RunSpare();
  // All threads are at work, and none has finished a completion since `told` was counted.
  bool HeldUp(uint64_t told) const;
  void Enter();
  void Leave();

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const std::chrono::nanoseconds busy_poll_;
  std::atomic<size_t> at_work_{0};  // threads
  std::atomic<uint64_t> told_{0};   // completions
  Mutex mutex_;
  std::condition_variable nobody_;
  int users_ ABSL_GUARDED_BY(mutex_) = 0;
  std::condition_variable over_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
  std::thread spare_;
};

}  // namespace sluice::server
