#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

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

}  // namespace sluice
