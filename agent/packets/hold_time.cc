#include "agent/packets/hold_time.h"

#include <algorithm>
#include <bit>

namespace sluice::agent {

size_t HoldTimes::BucketOf(uint64_t microseconds) {
  if (microseconds < kSubBuckets) return microseconds;
  // The leading 1 and the four bits behind it choose the bucket.
  const int shift = std::bit_width(microseconds) - 5;
  const size_t bucket = static_cast<size_t>(shift) * kSubBuckets + (microseconds >> shift);
  return std::min(bucket, kBuckets - 1);
}

uint64_t HoldTimes::UpperBound(size_t bucket) {
  if (bucket < 2 * kSubBuckets) return bucket;
  const size_t shift = bucket / kSubBuckets - 1;
  const uint64_t leading = bucket % kSubBuckets + kSubBuckets;
  return ((leading + 1) << shift) - 1;
}

void HoldTimes::Add(int64_t nanoseconds) {
  const uint64_t microseconds = nanoseconds > 0 ? static_cast<uint64_t>(nanoseconds) / 1000 : 0;
  ++buckets_[BucketOf(microseconds)];
  ++count_;
  max_us_ = std::max(max_us_, microseconds);
}

uint64_t HoldTimes::Percentile(uint64_t per_hundred) const {
  const uint64_t wanted = (count_ * per_hundred + 99) / 100;
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) return std::min(UpperBound(bucket), max_us_);
  }
  return max_us_;
}

void HoldTimes::Fill(v1::HoldTime& message) const {
  message.set_count(count_);
  if (count_ == 0) return;
  message.set_p50_us(Percentile(50));
  message.set_p90_us(Percentile(90));
  message.set_p99_us(Percentile(99));
  message.set_max_us(max_us_);
}

}  // namespace sluice::agent
