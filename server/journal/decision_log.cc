#include "server/journal/decision_log.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sluice::server {

bool DecisionFilter::Matches(const DecisionRecord& record) const {
  if (logged && !record.logged) return false;
  if (action != v1::ACTION_UNSPECIFIED && record.action != action) return false;
  if (!causes.Has(record.cause)) return false;
  return filter.Matches(record.traits());
}

DecisionRing::DecisionRing(std::string gateway, size_t capacity)
    : gateway_(std::move(gateway)), capacity_(capacity) {}

DecisionRecord& DecisionRing::Slot() {
  if (size_ < capacity_) {
    if (size_ % kChunk == 0) chunks_.push_back(std::make_unique_for_overwrite<Chunk>());
    return At(size_++);
  }
  DecisionRecord& slot = At(oldest_);
  oldest_ = (oldest_ + 1) % capacity_;
  return slot;
}

void DecisionRing::Prefetch(size_t count) {
  // A usual batch. The end of a record is only used by long reasons.
  constexpr size_t kMost = 32;
  constexpr size_t kBytes = offsetof(DecisionRecord, reason) + 1;
  constexpr size_t kCacheLine = 64;
  const size_t next = size_ < capacity_ ? size_ : oldest_;
  for (size_t i = 0; i < std::min(count, kMost); ++i) {
    const size_t index = (next + i) % capacity_;
    if (index / kChunk >= chunks_.size()) return;
    const auto* const record = reinterpret_cast<const char*>(&At(index));
    for (size_t at = 0; at < kBytes; at += kCacheLine) __builtin_prefetch(record + at, /*rw=*/1);
  }
}

DecisionLog::DecisionLog(size_t records_per_gateway) : capacity_(records_per_gateway) {}

DecisionRing* DecisionLog::RingOf(const std::string& gateway) {
  MutexLock lock(mutex_);
  std::unique_ptr<DecisionRing>& ring = rings_[gateway];
  if (ring == nullptr) {
    ring = std::make_unique<DecisionRing>(gateway, capacity_);
    MutexLock ring_lock(ring->mutex_);
    for (const Watcher& watcher : watchers_) {
      if (watcher.filter->filter.MatchesGateway(gateway)) {
        ring->observers_.push_back(watcher.observer);
      }
    }
  }
  return ring.get();
}

void DecisionLog::Forget(const std::string& gateway) {
  MutexLock lock(mutex_);
  rings_.erase(gateway);
}

std::deque<DecisionLog::Entry> DecisionLog::Watch(DecisionObserver* observer,
                                                  const DecisionFilter& filter, size_t last,
                                                  bool follow) {
  std::deque<Entry> found;
  const auto keep_last = [&] {
    // Stable, because the streams of a gateway may record the same nanosecond.
    std::stable_sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) {
      return a.record.time_ns < b.record.time_ns;
    });
    if (found.size() > last) found.erase(found.begin(), found.end() - static_cast<long>(last));
  };
  {
    MutexLock lock(mutex_);
    if (follow) watchers_.push_back({observer, &filter});
    for (const auto& [gateway, ring] : rings_) {
      if (!filter.filter.MatchesGateway(gateway)) continue;
      {
        MutexLock ring_lock(ring->mutex_);
        const size_t size = ring->size_;
        // Backwards from the newest: at most `last` of one gateway can be among the last of all.
        for (size_t i = 0, taken = 0; i < size && taken < last; ++i) {
          const DecisionRecord& record = ring->At((ring->oldest_ + size - 1 - i) % size);
          if (!filter.Matches(record)) continue;
          found.push_front({gateway, record});
          ++taken;
        }
        if (follow) ring->observers_.push_back(observer);
      }
      // Bounds `found` to little more than was asked for, however many gateways there are. The ring
      // is not locked, so its gateway's decisions can be entered meanwhile.
      if (found.size() / 2 > last) keep_last();
    }
  }
  keep_last();
  return found;
}

void DecisionLog::Unwatch(DecisionObserver* observer) {
  MutexLock lock(mutex_);
  std::erase_if(watchers_, [&](const Watcher& watcher) { return watcher.observer == observer; });
  for (const auto& [gateway, ring] : rings_) {
    MutexLock ring_lock(ring->mutex_);
    std::erase(ring->observers_, observer);
  }
}

}  // namespace sluice::server
