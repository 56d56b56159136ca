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

// Is told when something that gRPC was asked to do is done.
class Completion {
 public:
  // `ok` is false if it failed, which mostly means that the call is over.
  virtual void Complete(bool ok) = 0;

  // What gRPC is given with the question.
  void* Tag() {
    asked_.store(true, std::memory_order_release);
    return this;
  }
  static void Told(void* tag, bool ok) {
    auto* completion = static_cast<Completion*>(tag);
    // Whoever asked did so before: gRPC sees to that, unseen by ThreadSanitizer.
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

// The completion queue all calls of this server are on, and the threads that wait on it. gRPC's
// callback interface would have threads of its own, which hand events to each other: a wake-up
// more for each message (docs/performance.md).
//
// A reaction should not take long, and must not wait for a disk or a name. Should all threads be
// held up at once nevertheless, a spare one takes their place within some milliseconds.
class CallQueue final {
 public:
  // What keeps the queue from being closed: a call, or what waits for calls.
  class User final {
   public:
    explicit User(CallQueue* queue) : queue_(queue) { queue_->Enter(); }
    ~User() { queue_->Leave(); }
    User(const User&) = delete;
    User& operator=(const User&) = delete;

   private:
    CallQueue* const queue_;  // Not owned.
  };

  // For `busy_poll` its threads look for what has come before they sleep.
  CallQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue, std::chrono::nanoseconds busy_poll);
  // After the last User has left, which they do once the server is shut down. Waits for them.
  ~CallQueue();
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // Once the server has started.
  void Start();

  grpc::ServerCompletionQueue* get() { return queue_.get(); }

 private:
  void Run();
  void RunSpare();
  // All threads are at work, and have been at the same since `told` was counted.
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
