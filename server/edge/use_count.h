#pragma once

#include <condition_variable>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Counts those who use something, such as the calls of a server, for whoever must wait until nobody
// does. Any thread.
class UseCount final {
 public:
  // Held by each user.
  class Ticket final {
   public:
    explicit Ticket(UseCount* count) : count_(count) { count_->Begin(); }
    ~Ticket() { count_->End(); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    UseCount* const count_;  // Not owned.
  };

  void AwaitNone() {
    MutexLock lock(mutex_);
    lock.Wait(none_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return users_ == 0; });
  }
  // False if there still are some after `patience`.
  template <typename Duration>
  bool AwaitNone(Duration patience) {
    MutexLock lock(mutex_);
    return lock.WaitFor(none_, patience,
                        [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return users_ == 0; });
  }

 private:
  void Begin() {
    MutexLock lock(mutex_);
    ++users_;
  }
  void End() {
    MutexLock lock(mutex_);
    if (--users_ == 0) none_.notify_all();
  }

  Mutex mutex_;
  std::condition_variable none_;
  size_t users_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice::server
