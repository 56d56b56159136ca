#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/line_limit.h"

namespace sluice {

// Keeps lines that others can cause from filling the disk: so many are logged in each period.
// Where there is no place for a line, the next that has one says how many were left out. Any
// thread may call.
class LogLimit final {
 public:
  using Time = LineLimit::Time;

  LogLimit(uint32_t lines, std::chrono::nanoseconds each) : limit_(lines, each) {}

  // Nullopt: it is not to be logged. Else what to end it with, mostly nothing.
  std::optional<std::string> Allow(Time now) {
    MutexLock lock(mutex_);
    if (!limit_.Allow(now)) return std::nullopt;
    const uint64_t left_out = limit_.TakeLeftOut();
    if (left_out == 0) return "";
    return " (" + std::to_string(left_out) + " lines before it were left out)";
  }

 private:
  Mutex mutex_;
  LineLimit limit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice
