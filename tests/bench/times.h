#pragma once

#include <cstdint>
#include <vector>

namespace sluice::bench {

// Nanoseconds of CLOCK_MONOTONIC.
int64_t NowNs();

// What a share of the times does not exceed, 0.5 for the median; 0 of none. Reorders them.
double PercentileUs(std::vector<uint32_t>& times_ns, double share);

}  // namespace sluice::bench
