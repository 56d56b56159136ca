#pragma once

#include <cstdint>

namespace sluice::loadgen {

// When things are due that come at a fixed rate, whatever became of those before. Plain data.
class RateSchedule final {
 public:
  // The first is due at `start_ns`. `per_second` is more than 0.
  RateSchedule(double per_second, int64_t start_ns);

  // How many have become due since the last call.
  uint64_t Take(int64_t now_ns);
  // When the next is.
  int64_t NextDue() const;

 private:
  const double interval_ns_;
  const int64_t start_ns_;
  uint64_t taken_ = 0;
};

}  // namespace sluice::loadgen
