#pragma once

#include <cmath>
#include <cstdint>

namespace sluice::loadgen {

// When events of a fixed rate are due, however long those before them took. Plain data.
class RateSchedule final {
 public:
  // The first event is due at `start_ns`. `per_second` is more than 0.
  RateSchedule(double per_second, int64_t start_ns)
      : interval_ns_(1e9 / per_second), start_ns_(start_ns) {}

  // How many events have become due since the last call.
  uint64_t Take(int64_t now_ns) {
    uint64_t count = 0;
    for (; NextDue() <= now_ns; ++taken_) ++count;
    return count;
  }
  // When the next event is due.
  int64_t NextDue() const {
    // Counts from the start each time, so that rounding errors do not add up.
    return start_ns_ + static_cast<int64_t>(std::ceil(static_cast<double>(taken_) * interval_ns_));
  }

 private:
  const double interval_ns_;
  const int64_t start_ns_;
  uint64_t taken_ = 0;
};

}  // namespace sluice::loadgen
