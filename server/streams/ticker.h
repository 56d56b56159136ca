#pragma once

#include <chrono>
#include <condition_variable>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A call under way that needs to notice time passing.
class Ticked {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Called every Ticker::kPeriod. Must neither block nor call the ticker.
  virtual void Tick(Time now) = 0;
  // Asks the call to end with `why` as soon as the write under way has gone out.
  virtual void End(const absl::Status& why) = 0;

 protected:
  ~Ticked() = default;
};

// The server's sense of time: one thread that ticks every call under way. Silence is counted in
// ticks, not measured by a clock: a server that was itself stopped for a while must not take all
// its peers for dead.
//
// Any thread may call any method. Add and Remove wait while a round of ticks runs, which takes some
// microseconds. Lock order: the ticker's lock, then that of the call being ticked.
class Ticker final {
 public:
  static constexpr std::chrono::milliseconds kPeriod{50};

  Ticker();
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  // Not owned: `ticked` must be removed before it is destroyed.
  void Add(Ticked* ticked);
  // No tick of `ticked` runs once this has returned.
  void Remove(Ticked* ticked);

  // Ends all present calls, and those added from now on.
  void EndAll(const absl::Status& why);

 private:
  void Run();

  Mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<Ticked*> ticked_ ABSL_GUARDED_BY(mutex_);  // Not owned.
  std::thread thread_;
};

}  // namespace sluice::server
