#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace sluice::agent {

// Computes when a packet arrived in the kernel from its stamp, which is realtime. The result is
// right even if the agent was stopped meanwhile, and stays plausible when the clock is stepped. One
// thread.
class ArrivalClock final {
 public:
  // To be called before packets are read, any number of times a turn.
  void BeginTurn(int64_t monotonic_ns, int64_t realtime_ns) {
    const int64_t offset = realtime_ns - monotonic_ns;
    // Slewing is at most 500 ppm (adjtimex(2)); anything above 1 ‰, and above 5 ms, is a step.
    const int64_t elapsed = monotonic_ns - monotonic_ns_;
    stepped_ |= monotonic_ns_ != 0 &&
                std::abs(offset - offset_) > std::max<int64_t>(elapsed / 1000, 5'000'000);
    offset_ = offset;
    monotonic_ns_ = monotonic_ns;
    realtime_ns_ = realtime_ns;
  }

  // The queue was found empty in this turn: what comes later arrived, and was stamped, after now.
  void Drained() {
    drained_ns_ = monotonic_ns_;
    stepped_ = false;
  }

  // The arrival time of a packet with this stamp, on the monotonic clock.
  int64_t Arrival(std::optional<int64_t> stamp_ns) const {
    if (!stamp_ns || stepped_) return monotonic_ns_;
    const int64_t age = realtime_ns_ - *stamp_ns;
    const int64_t longest = drained_ns_ == 0 ? 0 : monotonic_ns_ - drained_ns_;
    return monotonic_ns_ - std::clamp<int64_t>(age, 0, longest);
  }

  int64_t monotonic_ns() const { return monotonic_ns_; }
  int64_t realtime_ns() const { return realtime_ns_; }

 private:
  int64_t monotonic_ns_ = 0;
  int64_t realtime_ns_ = 0;
  int64_t offset_ = 0;
  int64_t drained_ns_ = 0;
  bool stepped_ = false;
};

}  // namespace sluice::agent
