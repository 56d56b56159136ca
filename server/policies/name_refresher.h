#pragma once

#include <chrono>
#include <condition_variable>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/policies/policy_store.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Has names looked up again as long as the policy uses outdated meanings of some, or a policy waits
// for its names. Also looks them up once when it is made, because a policy read from the archive
// begins with the meanings kept there. Has a thread of its own, which waits for DNS. Owned by the
// Server.
class NameRefresher final {
 public:
  // Time between two attempts. Short enough that nobody who repairs DNS waits for it; long enough
  // that DNS servers do not notice the load.
  static constexpr std::chrono::milliseconds kInterval{5000};

  // `policies` is not owned.
  explicit NameRefresher(PolicyStore* policies, std::chrono::milliseconds interval = kInterval)
      : policies_(policies), interval_(interval), thread_([this] { Run(); }) {}
  // Waits for the lookup under way.
  ~NameRefresher() {
    {
      MutexLock lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  NameRefresher(const NameRefresher&) = delete;
  NameRefresher& operator=(const NameRefresher&) = delete;

  // Waits until it has asked DNS once, for at most `timeout`. Any thread may call.
  void AwaitFirst(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    lock.WaitFor(changed_, timeout, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return asked_; });
  }

 private:
  void Run() {
    while (true) {
      policies_->RefreshNames(std::chrono::system_clock::now());
      MutexLock lock(mutex_);
      asked_ = true;
      changed_.notify_all();
      const bool stop = lock.WaitFor(changed_, interval_,
                                     [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_; });
      if (stop) return;
    }
  }

  PolicyStore* const policies_;
  const std::chrono::milliseconds interval_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice::server
