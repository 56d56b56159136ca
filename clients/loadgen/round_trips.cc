#include "clients/loadgen/round_trips.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::loadgen {

void RoundTrips::Record(int64_t ns) {
  const auto bounded = static_cast<uint64_t>(std::clamp<int64_t>(ns, 0, (int64_t{1} << 40) - 1));
  ++count_;
  max_ns_ = std::max(max_ns_, ns);
  ++counts_[Bucket(bounded)];
}

void RoundTrips::Add(const RoundTrips& other) {
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int64_t RoundTrips::Percentile(double share) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  size_t bucket = 0;
  for (; bucket + 1 < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= std::max<uint64_t>(rank, 1)) break;
  }
  return std::min(Largest(bucket), max_ns_);
}

size_t RoundTrips::Bucket(uint64_t ns) {
  // Each time below 64 ns has its own counter.
  if (ns < kSteps) return ns;
  const int power = std::bit_width(ns) - 1 - kStepBits;
  return static_cast<size_t>(power) * kSteps + (ns >> power);
}

int64_t RoundTrips::Largest(size_t bucket) {
  if (bucket < kSteps) return static_cast<int64_t>(bucket);
  const size_t power = bucket / kSteps - 1;
  return static_cast<int64_t>(((bucket % kSteps + kSteps + 1) << power) - 1);
}

}  // namespace sluice::loadgen
