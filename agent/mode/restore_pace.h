#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sluice::agent {

// How often the agent's rules are put back while others keep changing them: at once up to kBurst
// times, and then ten times a second, so that two programs that undo each other's work do not keep
// a processor busy. Not less often, as the gateway may be open in between. Also how often that is
// logged: kBurst times, and then every ten seconds. Times are CLOCK_MONOTONIC in nanoseconds. Owned
// by the TableRestorer's thread.
class RestorePace final {
 public:
  static constexpr int64_t kIntervalNs = 100'000'000;
  static constexpr int64_t kBurst = 10;
  static constexpr int64_t kLogIntervalNs = 10'000'000'000;

  // How long the rules may not be put back yet.
  int64_t WaitNs(int64_t now) const { return std::max<int64_t>(0, debt_until_ - kBurstNs - now); }

  struct Line {
    uint64_t times = 0;  // Since the last line. 0: nothing is to be logged now.
    bool often = false;  // The burst of restorations or of lines is used up.
  };
  // The rules were put back.
  Line Restored(int64_t now) {
    debt_until_ = std::max(debt_until_, now) + kIntervalNs;
    ++unlogged_;
    const bool often = WaitNs(now) > 0 || lines_until_ - now > (kBurst - 1) * kLogIntervalNs;
    if (often && now < log_at_) return {};
    if (often) log_at_ = now + kLogIntervalNs;
    if (!often) lines_until_ = std::max(lines_until_, now) + kLogIntervalNs;
    return {std::exchange(unlogged_, 0), often};
  }

 private:
  static constexpr int64_t kBurstNs = (kBurst - 1) * kIntervalNs;

  int64_t debt_until_ = INT64_MIN / 2;   // Each restoration adds an interval.
  int64_t lines_until_ = INT64_MIN / 2;  // Each line that is not `often` adds an interval.
  int64_t log_at_ = INT64_MIN;
  uint64_t unlogged_ = 0;
};

}  // namespace sluice::agent
