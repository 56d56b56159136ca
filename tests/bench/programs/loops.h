#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "tests/bench/programs/measured_interval.h"
#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {

struct ClosedLoopOptions {
  size_t in_flight = 512;  // Probes under way at a time, over all flows.
  std::chrono::milliseconds warm_up{300};
  std::chrono::milliseconds measure{2000};
  std::chrono::milliseconds drain{300};  // Longest wait for the last replies.
};

// Keeps a fixed number of probes in flight: each reply makes it send the next, so it runs as fast
// as the gateway allows. Replaces a probe presumed lost, as otherwise each loss would slow down the
// rest; if the probe comes after all, it counts as delivered.
Measured RunClosedLoop(const ClosedLoopOptions& options, UdpFlows& flows);

struct OpenLoopOptions {
  uint32_t rate = 10'000;  // Probes a second.
  std::chrono::milliseconds warm_up{200};
  std::chrono::milliseconds measure{2000};
  std::chrono::milliseconds drain{300};  // Longest wait for the last replies.
};

struct OpenLoopMeasured {
  Measured measured;
  // How late probes left, 99th percentile: the sender's own fault. Round-trip times start when a
  // probe really left.
  double send_delay_p99_us = 0;
};

// Sends at a fixed rate whatever comes back, on one flow after the other, from a thread that sleeps
// until the next probe is due; the calling thread receives. Latency is measured this way, as a
// closed loop would only measure its own queue.
OpenLoopMeasured RunOpenLoop(const OpenLoopOptions& options, UdpFlows& flows);

}  // namespace sluice::bench
