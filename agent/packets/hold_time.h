#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// Distribution of how long packets waited for their verdicts. Each bucket is at most 1/16 as wide
// as the times in it, so that memory is fixed and percentiles are right to within 7 %. One thread.
class HoldTimes final {
 public:
  void Add(int64_t nanoseconds);
  void Fill(v1::HoldTime& message) const;

 private:
  static constexpr int kSubBuckets = 16;
  // Up to 2^36 µs, 19 hours: longer than any deadline.
  static constexpr size_t kBuckets = kSubBuckets * 33;

  static size_t BucketOf(uint64_t microseconds);
  static uint64_t UpperBound(size_t bucket);
  uint64_t Percentile(uint64_t per_hundred) const;

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_us_ = 0;
};

}  // namespace sluice::agent
