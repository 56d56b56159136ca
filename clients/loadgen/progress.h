#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::loadgen {

// How many agents are up, and what happened to the others. Workers report; the thread that runs
// them waits. Any thread.
class Progress final {
 public:
  explicit Progress(uint32_t agents) : agents_(agents) {}

  // One more agent is up.
  void Up();
  // An agent could not connect, or was lost.
  void Refused(const std::string& reason);
  void Lost(const std::string& reason);
  // All packets of a worker have been answered or given up.
  void Drained();

  // Waits until no agent is connecting any more.
  void WaitUntilSettled();
  // Waits for `time`, or until no agent is up.
  void WaitFor(std::chrono::nanoseconds time);
  void WaitUntilDrained(uint32_t workers);

  struct Counts {
    uint32_t connected = 0;  // Agents that were up once.
    uint32_t refused = 0;
    uint32_t lost = 0;
    std::map<std::string, uint32_t> reasons;  // How many were refused or lost for each reason.
  };
  Counts counts() const;

 private:
  const uint32_t agents_;
  mutable Mutex mutex_;
  std::condition_variable changed_;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
  uint32_t drained_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice::loadgen
