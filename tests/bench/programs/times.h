#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::bench {

// Nanoseconds of CLOCK_MONOTONIC.
inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The time that `share` of the times do not exceed (0.5: the median); 0 if there are none. Reorders
// them.
inline double PercentileUs(std::vector<uint32_t>& times_ns, double share) {
  if (times_ns.empty()) return 0;
  const auto rank = std::min(times_ns.size() - 1,
                             static_cast<size_t>(share * static_cast<double>(times_ns.size())));
  const auto at = times_ns.begin() + static_cast<ptrdiff_t>(rank);
  std::nth_element(times_ns.begin(), at, times_ns.end());
  return *at / 1e3;
}

}  // namespace sluice::bench
