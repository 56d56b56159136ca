#pragma once

#include <chrono>
#include <cstdint>

#include "tests/bench/measured_interval.h"
#include "tests/bench/udp_flows.h"

namespace sluice::bench {

struct OpenLoopOptions {
  uint32_t rate = 10'000;  // Probes a second.
  std::chrono::milliseconds warm_up{200};
  std::chrono::milliseconds measure{2000};
  std::chrono::milliseconds drain{300};  // Longest wait for the last replies.
};

struct OpenLoopMeasured {
  Measured measured;
  // How late probes left, 99th percentile: the sender's own trouble. Round-trip times start
  // when a probe really left.
  double send_delay_p99_us = 0;
};

// Sends at a fixed rate whatever comes back, one flow after the other, from a thread that sleeps
// until the next probe is due; the calling thread receives. This is how latency is measured: a
// closed loop would only measure its own queue.
OpenLoopMeasured RunOpenLoop(const OpenLoopOptions& options, UdpFlows& flows);

}  // namespace sluice::bench
