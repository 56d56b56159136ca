#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/policy/engine/rule_bits.h"

namespace sluice::server::policy {

// Maps every key to the set of rules of the interval that the key is in. Filled with Add, then
// Seal; then immutable, for any number of threads.
template <typename Key>
class IntervalMap final {
 public:
  // Adds the interval from `start` up to the start of the next one added. Starts ascend from 0.
  void Add(Key start, RuleBits::Id set) {
    if (!sets_.empty() && sets_.back() == set) return;
    starts_.push_back(start);
    sets_.push_back(set);
  }

  void Seal() {
    starts_.shrink_to_fit();
    sets_.shrink_to_fit();
    if (starts_.size() > kFewIntervals) Divide();
  }

  RuleBits::Id Find(Key key) const {
    size_t first = 0;
    size_t end = starts_.size();
    if (!buckets_.empty()) {
      if (key < starts_[1]) return sets_.front();
      if (key >= starts_.back()) return sets_.back();
      const auto bucket = static_cast<size_t>((key - starts_[1]) >> shift_);
      first = buckets_[bucket];
      end = buckets_[bucket + 1] + size_t{1};
    }
    // A binary search whose steps are conditional moves: no branch to guess wrong.
    const Key* start = starts_.data() + first;
    for (size_t count = end - first; count > 1;) {
      const size_t half = count / 2;
      start = start[half] <= key ? start + half : start;
      count -= half;
    }
    return sets_[static_cast<size_t>(start - starts_.data())];
  }

  // The sets of all intervals.
  const std::vector<RuleBits::Id>& sets() const { return sets_; }

  size_t memory() const {
    return starts_.capacity() * sizeof(Key) + sets_.capacity() * sizeof(RuleBits::Id) +
           buckets_.capacity() * sizeof(uint32_t);
  }

 private:
  // Up to this many intervals have no table: searching them touches no more cache lines than the
  // table would take.
  static constexpr size_t kFewIntervals = 16;

  // Cuts the keys between the second start and the last into buckets, at most as many as there are
  // intervals. If the intervals are spread evenly, one or two are left to search.
  void Divide() {
    const auto range = static_cast<Key>(starts_.back() - starts_[1]);
    while (static_cast<Key>(range >> shift_) >= starts_.size()) ++shift_;
    const auto last = static_cast<size_t>(range >> shift_);
    buckets_.reserve(last + 2);
    size_t at = 1;
    for (size_t bucket = 0; bucket <= last; ++bucket) {
      const auto begin = static_cast<Key>(starts_[1] + (static_cast<Key>(bucket) << shift_));
      while (at + 1 < starts_.size() && starts_[at + 1] <= begin) ++at;
      buckets_.push_back(static_cast<uint32_t>(at));
    }
    buckets_.push_back(static_cast<uint32_t>(starts_.size() - 1));
  }

  std::vector<Key> starts_;
  std::vector<RuleBits::Id> sets_;
  // For each bucket the interval in which it begins, then the last interval; empty if there are few
  // intervals.
  std::vector<uint32_t> buckets_;
  unsigned shift_ = 0;
};

}  // namespace sluice::server::policy
