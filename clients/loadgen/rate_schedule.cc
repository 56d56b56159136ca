#include "clients/loadgen/rate_schedule.h"

#include <cmath>

namespace sluice::loadgen {

RateSchedule::RateSchedule(double per_second, int64_t start_ns)
    : interval_ns_(1e9 / per_second), start_ns_(start_ns) {}

uint64_t RateSchedule::Take(int64_t now_ns) {
  uint64_t count = 0;
  for (; NextDue() <= now_ns; ++taken_) ++count;
  return count;
}

int64_t RateSchedule::NextDue() const {
  // Counts from the start each time, so that rounding errors do not add up.
  return start_ns_ + static_cast<int64_t>(std::ceil(static_cast<double>(taken_) * interval_ns_));
}

}  // namespace sluice::loadgen
