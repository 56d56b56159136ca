#pragma once

// std::mutex with Clang's thread-safety annotations, which libstdc++ does not have. std::mutex
// and not absl::Mutex because ThreadSanitizer sees through the former, while Debian's build of
// the latter is not instrumented.

#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace sluice {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a Mutex for the length of a block.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() ABSL_UNLOCK_FUNCTION() {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  // Waits on `condition` until `ready()`; the mutex is held again on return.
  template <typename Ready>
  void Wait(std::condition_variable& condition, Ready ready) {
    condition.wait(lock_, ready);
  }

  // The same for at most `timeout`; false if it ran out.
  template <typename Duration, typename Ready>
  bool WaitFor(std::condition_variable& condition, Duration timeout, Ready ready) {
    return condition.wait_for(lock_, timeout, ready);
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace sluice
