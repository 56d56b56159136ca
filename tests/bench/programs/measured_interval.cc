#include "tests/bench/programs/measured_interval.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "tests/bench/programs/times.h"

namespace sluice::bench {
double MeasuredInterval::IdleSeconds() {
  std::ifstream stat("/proc/stat");
  std::string name;
  uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  stat >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  return static_cast<double>(idle + iowait + steal) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void MeasuredInterval::Begin(int64_t now_ns) {
  idle_at_begin_ = IdleSeconds();
  begin_ns_ = now_ns;
}

void MeasuredInterval::End(int64_t now_ns) {
  end_ns_ = now_ns;
  idle_ = IdleSeconds() - idle_at_begin_;
  measured_.seconds = static_cast<double>(end_ns_ - begin_ns_) / 1e9;
}

void MeasuredInterval::Sent(int64_t sent_ns, uint64_t count) {
  if (Contains(sent_ns)) measured_.sent += count;
}

void MeasuredInterval::Received(const Probe& probe, int64_t now_ns) {
  if (Contains(probe.sent_ns)) ++returned_;
  if (!Contains(now_ns)) return;
  ++measured_.round_trips;
  round_trip_ns_.push_back(
      static_cast<uint32_t>(std::clamp<int64_t>(now_ns - probe.sent_ns, 0, UINT32_MAX)));
}

Measured MeasuredInterval::Finish() {
  Measured result = measured_;
  result.lost = outstanding();
  result.p50_us = PercentileUs(round_trip_ns_, 0.50);
  result.p99_us = PercentileUs(round_trip_ns_, 0.99);
  result.max_us = PercentileUs(round_trip_ns_, 1.0);
  const double packets = 2.0 * static_cast<double>(result.round_trips);
  const auto processors = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  const double busy = std::max(0.0, processors * result.seconds - idle_);
  if (result.seconds > 0) {
    result.packets_per_second = packets / result.seconds;
    result.cpu_busy = busy / result.seconds;
  }
  if (packets > 0) result.cpu_us_per_packet = busy * 1e6 / packets;
  return result;
}

}  // namespace sluice::bench
