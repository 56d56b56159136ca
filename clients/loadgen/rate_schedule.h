#pragma once

#include <cstdint>

namespace sluice::loadgen {

// When events of a fixed rate are due, however long those before them took. Plain data.
class RateSchedule final {
 public:
  // The first event is due at `start_ns`. `per_second` is more than 0.
  RateSchedule(double per_second, int64_t start_ns);

  // How many events have become due since the last call.
  uint64_t Take(int64_t now_ns);
  // When the next event is due.
  int64_t NextDue() const;

 private:
  const double interval_ns_;
  const int64_t start_ns_;
  uint64_t taken_ = 0;
};

}  // namespace sluice::loadgen
