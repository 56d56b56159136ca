#include "server/policies/name_refresher.h"

namespace sluice::server {

NameRefresher::NameRefresher(PolicyStore* policies, std::chrono::milliseconds interval)
    : policies_(policies), interval_(interval), thread_([this] { Run(); }) {}

NameRefresher::~NameRefresher() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void NameRefresher::AwaitFirst(std::chrono::milliseconds timeout) {
  MutexLock lock(mutex_);
  lock.WaitFor(changed_, timeout, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return asked_; });
}

void NameRefresher::Run() {
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

}  // namespace sluice::server
