#pragma once

#include <time.h>

#include <cstdint>

namespace sluice::agent {

inline int64_t ReadClock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

// CLOCK_MONOTONIC in nanoseconds; all deadlines and intervals of the agent are times of it.
inline int64_t MonotonicNow() { return ReadClock(CLOCK_MONOTONIC); }

}  // namespace sluice::agent
