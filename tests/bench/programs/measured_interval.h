#pragma once

#include <cstdint>
#include <vector>

#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {

// The results of one measurement. A round trip is two packets through the gateway.
struct Measured {
  double seconds = 0;             // Length of the interval.
  uint64_t sent = 0;              // Probes sent in the interval.
  uint64_t lost = 0;              // Probes among them that never came back.
  uint64_t round_trips = 0;       // Replies that came in the interval.
  double packets_per_second = 0;  // Two for each round trip.
  double cpu_us_per_packet = 0;   // Busy time of all processors, for each of those packets.
  double cpu_busy = 0;            // How many processors were busy, on average.
  double p50_us = 0;              // Round-trip time of the replies.
  double p99_us = 0;
  double max_us = 0;
};

// Counts a load between two moments. Time stamps in the packets separate those of the warm-up and
// of the end, so loss is exact. Owned by a load; one thread.
class MeasuredInterval final {
 public:
  // Idle time, disk-wait time and stolen time of all processors since boot, in seconds. The tick of
  // these kernels only samples busy time, but idle time is measured; so busy time is the rest.
  static double IdleSeconds();

  void Begin(int64_t now_ns);
  void End(int64_t now_ns);

  void Sent(int64_t sent_ns, uint64_t count);
  void Received(const Probe& probe, int64_t now_ns);

  // Probes of the interval that have not come back yet.
  uint64_t outstanding() const { return measured_.sent - returned_; }

  // Call once, when no more replies are expected.
  Measured Finish();

 private:
  bool Contains(int64_t time_ns) const { return time_ns >= begin_ns_ && time_ns < end_ns_; }

  int64_t begin_ns_ = INT64_MAX;
  int64_t end_ns_ = INT64_MAX;
  double idle_at_begin_ = 0;
  double idle_ = 0;
  uint64_t returned_ = 0;
  std::vector<uint32_t> round_trip_ns_;
  Measured measured_;
};

}  // namespace sluice::bench
