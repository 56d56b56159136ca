#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

namespace sluice::server {

// How much time one trial may take of the trials' thread. A trial that has spent its time rests
// until it may take a while again. The trials' thread calls Spend; any thread may ask Resting.
class TrialBudget final {
 public:
  using Duration = std::chrono::steady_clock::duration;
  using Time = std::chrono::steady_clock::time_point;

  // A trial gets one part in so many of a processor. A usual policy (a microsecond a packet) is
  // evaluated on 100,000 packets a second in that time, and all trials together leave most of even
  // a single processor to the packets.
  static constexpr int kPart = 10;
  // What it may take at once. The packets of other trials wait that long.
  static constexpr Duration kAtOnce = std::chrono::milliseconds(20);
  // No packet that a policy is allowed takes longer (policy::kMostSteps). What takes longer was
  // held up by others, who had the processor.
  static constexpr Duration kLongestPacket = std::chrono::milliseconds(5);
  // What it has again when a rest ends.
  static constexpr Duration kAfterRest = kAtOnce / 2;

  // Whether it may take no time now.
  bool Resting(Time now) const {
    return now.time_since_epoch() < Duration(rests_until_.load(std::memory_order_relaxed));
  }

  // It evaluated a packet from `begin` to `end`.
  void Spend(Time begin, Time end) {
    left_ =
        std::min(kAtOnce, left_ + (begin - since_) / kPart) - std::min(kLongestPacket, end - begin);
    since_ = end;
    if (left_ > Duration::zero()) return;
    rests_until_ = (end.time_since_epoch() + (kAfterRest - left_) * kPart).count();
  }

 private:
  // Of the trials' thread.
  Duration left_ = kAtOnce;
  Time since_;  // When `left_` was right.

  std::atomic<Duration::rep> rests_until_ = 0;
};

}  // namespace sluice::server
