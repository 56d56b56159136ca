#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice {

// Says whether one more line may be logged, before it is formatted: so many in each period. Used by
// one thread at a time.
class RateLimiter final {
 public:
  using Time = std::chrono::steady_clock::time_point;

  RateLimiter(uint32_t lines, std::chrono::nanoseconds each) : most_(lines), each_(each) {}

  bool Allow(Time now) {
    if (now - begun_ >= each_) {
      begun_ = now;
      lines_ = 0;
    }
    if (lines_ >= most_) {
      ++left_out_;
      return false;
    }
    ++lines_;
    return true;
  }

  // The lines left out since the last call.
  uint64_t TakeLeftOut() { return std::exchange(left_out_, 0); }

 private:
  const uint32_t most_;
  const std::chrono::nanoseconds each_;
  Time begun_;
  uint32_t lines_ = 0;
  uint64_t left_out_ = 0;
};

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
