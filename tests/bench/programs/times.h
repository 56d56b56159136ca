#pragma once

#include <cstdint>
#include <vector>

namespace sluice::bench {

// Nanoseconds of CLOCK_MONOTONIC.
int64_t NowNs();

// The time that `share` of the times do not exceed (0.5: the median); 0 if there are none. Reorders
// them.
double PercentileUs(std::vector<uint32_t>& times_ns, double share);

}  // namespace sluice::bench
