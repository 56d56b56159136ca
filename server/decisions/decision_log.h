#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/decisions/decision_record.h"
#include "server/observe/filter.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Sees each decision as it is entered.
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
  std::vector<v1::Cause> causes = {};          // Empty means all.
  bool logged = false;                         // Only those whose rule says `log`.

  bool Matches(const DecisionRecord& record) const;
};

// The last decisions about one gateway's packets. Several Decide streams and the Report stream
// enter; the oldest are overwritten. Memory is taken as it fills, none once it is full.
class DecisionRing final {
 public:
  DecisionRing(std::string gateway, size_t capacity);

  // Enters `count` records under one lock; `fill(i, record)` writes each.
  template <typename Fill>
  void Enter(size_t count, Fill fill) {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < count; ++i) {
      DecisionRecord& record = Slot();
      fill(i, &record);
      for (DecisionObserver* observer : observers_) observer->Decided(gateway_, record);
    }
  }

 private:
  friend class DecisionLog;

  // Records come in chunks as they are needed: a vector would copy itself as it grows, while
  // packets wait.
  static constexpr size_t kChunk = 256;
  using Chunk = std::array<DecisionRecord, kChunk>;

  // The next to be written: a new one, or, once there are as many as there may be, the oldest.
  DecisionRecord& Slot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of those there are, from 0; in no order that says anything.
  DecisionRecord& At(size_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return (*chunks_[index / kChunk])[index % kChunk];
  }

  const std::string gateway_;
  const size_t capacity_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> chunks_ ABSL_GUARDED_BY(mutex_);
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t oldest_ ABSL_GUARDED_BY(mutex_) = 0;                         // Once full.
  std::vector<DecisionObserver*> observers_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

// What was decided lately, on all gateways, and who watches it. Any thread may call. Lock order:
// the log's, a ring's, an observer's.
class DecisionLog final {
 public:
  // A decision of the past.
  struct Entry {
    std::string gateway;
    DecisionRecord record;
  };

  explicit DecisionLog(size_t records_per_gateway = 10'000);

  // Made if need be; valid until Forget.
  DecisionRing* RingOf(const std::string& gateway);
  // Nobody may use the ring any more.
  void Forget(const std::string& gateway);

  // The last `last` decisions that match, oldest first. With `follow`, `observer` then sees each
  // later one, none missing and none twice, matching or not, of the gateways that match.
  // `observer` must be taken out with Unwatch before it dies.
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
