#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/journal/decision_record.h"
#include "server/journal/filter.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Gets each decision as it is entered.
class DecisionObserver {
 public:
  // Called with a ring's lock held, on the packet path: must be quick and must not block.
  virtual void Decided(const std::string& gateway, const DecisionRecord& record) = 0;

 protected:
  ~DecisionObserver() = default;
};

// Which decisions an observer wants. Immutable.
struct DecisionFilter {
  Filter filter;
  v1::Action action = v1::ACTION_UNSPECIFIED;  // Unspecified means all.
  NumberSet causes = {};                       // v1::Cause.
  bool logged = false;                         // Only decisions whose rule says `log`.

  bool Matches(const DecisionRecord& record) const;
};

// The last decisions on one gateway's packets. Several Decide streams and the Report stream enter
// decisions; the oldest are overwritten. The ring allocates memory while it fills, and none once it
// is full.
class DecisionRing final {
 public:
  DecisionRing(std::string gateway, size_t capacity);

  // Enters `count` records under one lock; `fill(i, record)` writes each.
  template <typename Fill>
  void Enter(size_t count, Fill fill) {
    MutexLock lock(mutex_);
    Prefetch(count);
    for (size_t i = 0; i < count; ++i) {
      DecisionRecord& record = Slot();
      fill(i, &record);
      for (DecisionObserver* observer : observers_) observer->Decided(gateway_, record);
    }
  }

 private:
  friend class DecisionLog;

  // Records are allocated in chunks as needed: a vector would copy itself when it grows, while
  // packets wait.
  static constexpr size_t kChunk = 256;
  using Chunk = std::array<DecisionRecord, kChunk>;

  // The record to be written next: a new one, or the oldest once the ring is full.
  DecisionRecord& Slot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has the processor fetch the next records, which were last used a whole ring ago: with many
  // gateways none of them is in a cache any more.
  void Prefetch(size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Record `index`, from 0, in storage order.
  DecisionRecord& At(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return (*chunks_[index / kChunk])[index % kChunk];
  }

  const std::string gateway_;
  const size_t capacity_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> chunks_ ABSL_GUARDED_BY(mutex_);
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t oldest_ ABSL_GUARDED_BY(mutex_) = 0;                         // Index once full.
  std::vector<DecisionObserver*> observers_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

// The recent decisions of all gateways, and the observers that follow them. Any thread may call.
// Lock order: the log's lock, a ring's, an observer's.
class DecisionLog final {
 public:
  // A past decision.
  struct Entry {
    std::string gateway;
    DecisionRecord record;
  };

  explicit DecisionLog(size_t records_per_gateway = 10'000);

  // The gateway's ring, created if needed; valid until Forget.
  DecisionRing* RingOf(const std::string& gateway);
  // After this call nobody may use the ring.
  void Forget(const std::string& gateway);

  // Returns the last `last` decisions that match, oldest first. With `follow`, `observer` then sees
  // each later decision of the matching gateways, whether it matches or not, with none missing and
  // none twice. It must be removed with Unwatch before it is destroyed.
  std::deque<Entry> Watch(DecisionObserver* observer, const DecisionFilter& filter, size_t last,
                          bool follow);
  // `observer` sees nothing once this has returned.
  void Unwatch(DecisionObserver* observer);

 private:
  struct Watcher {
    DecisionObserver* observer;    // Not owned.
    const DecisionFilter* filter;  // The observer's.
  };

  const size_t capacity_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<DecisionRing>> rings_ ABSL_GUARDED_BY(mutex_);
  std::vector<Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
