#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/rate_limiter.h"

namespace sluice {

// Keeps lines that others can cause from filling the disk: only so many are logged in each period.
// The next line that is logged says how many were left out before it. Any thread may call.
class LogRateLimiter final {
 public:
  using Time = RateLimiter::Time;

  LogRateLimiter(uint32_t lines, std::chrono::nanoseconds each) : limit_(lines, each) {}

  // Nullopt if the line must not be logged. Otherwise the text to append to it, usually empty.
  std::optional<std::string> Allow(Time now) {
    MutexLock lock(mutex_);
    if (!limit_.Allow(now)) return std::nullopt;
    const uint64_t left_out = limit_.TakeLeftOut();
    if (left_out == 0) return "";
    return " (" + std::to_string(left_out) + " lines before it were left out)";
  }

 private:
  Mutex mutex_;
  RateLimiter limit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice
