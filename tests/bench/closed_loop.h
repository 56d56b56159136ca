#pragma once

#include <chrono>
#include <cstddef>

#include "tests/bench/measured_interval.h"
#include "tests/bench/udp_flows.h"

namespace sluice::bench {

struct ClosedLoopOptions {
  size_t in_flight = 512;  // Probes out at a time, over all flows.
  std::chrono::milliseconds warm_up{300};
  std::chrono::milliseconds measure{2000};
  std::chrono::milliseconds drain{300};  // Longest wait for the last replies.
};

// Keeps a fixed number of probes in flight: each reply sends the next. So it goes as fast as
// the gateway lets it. A probe presumed lost is replaced, as else one loss would slow the rest;
// should it come after all it counts as delivered.
Measured RunClosedLoop(const ClosedLoopOptions& options, UdpFlows& flows);

}  // namespace sluice::bench
