#include "clients/loadgen/progress.h"

namespace sluice::loadgen {

void Progress::Up() {
  MutexLock lock(mutex_);
  ++counts_.connected;
  changed_.notify_all();
}

void Progress::Refused(const std::string& reason) {
  MutexLock lock(mutex_);
  ++counts_.refused;
  ++counts_.reasons[reason];
  changed_.notify_all();
}

void Progress::Lost(const std::string& reason) {
  MutexLock lock(mutex_);
  ++counts_.lost;
  ++counts_.reasons[reason];
  changed_.notify_all();
}

void Progress::Drained() {
  MutexLock lock(mutex_);
  ++drained_;
  changed_.notify_all();
}

void Progress::WaitUntilSettled() {
  MutexLock lock(mutex_);
  lock.Wait(changed_, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return counts_.connected + counts_.refused >= agents_;
  });
}

void Progress::WaitFor(std::chrono::nanoseconds time) {
  MutexLock lock(mutex_);
  lock.WaitFor(changed_, time, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return counts_.refused + counts_.lost >= agents_;
  });
}

void Progress::WaitUntilDrained(uint32_t workers) {
  MutexLock lock(mutex_);
  lock.Wait(changed_, [this, workers]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return drained_ >= workers; });
}

Progress::Counts Progress::counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

}  // namespace sluice::loadgen
