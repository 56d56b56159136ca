#pragma once

#include <chrono>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/decisions/late_verdict.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A Decide stream whose packets are put to other deciders, as these see it. Shared with them: an
// answer may come when the stream has ended, and is dropped then. Any thread may call. Lock order:
// this one's, then the stream's.
class Asker final {
 public:
  // What the stream began with; not owned.
  Asker(const v1::DecideHello& said, LateAnswered* stream) : hello(said), stream_(stream) {}

  void Answer(const LateVerdict& late) {
    MutexLock lock(mutex_);
    if (stream_ != nullptr) stream_->Answer(late);
  }

  // The stream gets no more answers once this has returned. Not with a lock of the stream's held.
  void Leave() {
    MutexLock lock(mutex_);
    stream_ = nullptr;
  }

  const v1::DecideHello hello;

 private:
  Mutex mutex_;
  LateAnswered* stream_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

}  // namespace sluice::server
