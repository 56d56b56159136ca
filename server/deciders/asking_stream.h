#pragma once

#include <chrono>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/verdicts/verdict.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A Decide stream whose packets other deciders are asked about, as those deciders see it. Shared
// with them: an answer may come after the stream has ended and is then ignored. Any thread may
// call. Lock order: this one's lock, then the stream's.
class AskingStream final {
 public:
  // `said` is the stream's hello. `stream` is not owned.
  AskingStream(const v1::DecideHello& said, DeferredVerdictSink* stream)
      : hello(said), stream_(stream) {}

  void Answer(const DeferredVerdict& deferred) {
    MutexLock lock(mutex_);
    if (stream_ != nullptr) stream_->Answer(deferred);
  }

  // The stream gets no more answers once this has returned. Must not be called with a lock of the
  // stream's held.
  void Leave() {
    MutexLock lock(mutex_);
    stream_ = nullptr;
  }

  const v1::DecideHello hello;

 private:
  Mutex mutex_;
  DeferredVerdictSink* stream_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

}  // namespace sluice::server
