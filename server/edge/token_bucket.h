#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::server {

// Allows so many events a second, and so many at once. Used by one thread at a time.
class TokenBucket final {
 public:
  using Time = std::chrono::steady_clock::time_point;

  TokenBucket(uint32_t a_second, uint32_t at_once)
      : a_second_(a_second), at_once_(at_once), tokens_(at_once) {}

  // False if there were too many.
  bool Take(Time now) {
    if (tokens_ < 1) {
      const std::chrono::duration<double> since = now - filled_;
      tokens_ = std::min<double>(at_once_, tokens_ + since.count() * a_second_);
      filled_ = now;
    }
    if (tokens_ < 1) return false;
    --tokens_;
    return true;
  }

 private:
  const double a_second_;
  const double at_once_;
  double tokens_;
  // When tokens were last added. The first refill comes at once, and fills the bucket: a burst more
  // than was asked for, once.
  Time filled_;
};

}  // namespace sluice::server
