#pragma once

#include <chrono>
#include <cstdint>

namespace sluice::server {

// Says whether one more line may be logged, before it is formatted: at most `per_second` in each
// second. Used by one thread at a time.
class LineLimit final {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit LineLimit(uint32_t per_second) : per_second_(per_second) {}

  bool Allow(Time now) {
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      lines_ = 0;
    }
    if (lines_ >= per_second_) {
      ++left_out_;
      return false;
    }
    ++lines_;
    return true;
  }

  // Lines refused since this was last asked.
  uint64_t TakeLeftOut() {
    const uint64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  const uint32_t per_second_;
  Time second_;
  uint32_t lines_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace sluice::server
