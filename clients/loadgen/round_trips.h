#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::loadgen {

// A histogram of times, which gives percentiles to within 1.6 % however many there are. Plain data.
class RoundTrips final {
 public:
  void Record(int64_t ns);
  void Add(const RoundTrips& other);

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_ns_; }
  // The time that `share` (0 to 1) of them do not exceed; 0 if there are none.
  int64_t Percentile(double share) const;

 private:
  // There are 64 counters from each power of two to the next.
  static constexpr int kStepBits = 6;
  static constexpr int kSteps = 1 << kStepBits;
  // Up to 2^40 ns, 18 minutes.
  static constexpr int kPowers = 40 - kStepBits;

  static size_t Bucket(uint64_t ns);
  static int64_t Largest(size_t bucket);

  uint64_t count_ = 0;
  int64_t max_ns_ = 0;
  std::array<uint64_t, static_cast<size_t>(kSteps) * (kPowers + 1)> counts_ = {};
};

}  // namespace sluice::loadgen
