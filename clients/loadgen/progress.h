#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::loadgen {

// How many agents are up, and what became of the others: told by the workers, waited for by
// whoever runs them. Any thread.
class Progress final {
 public:
  explicit Progress(uint32_t agents) : agents_(agents) {}

  // One more is up.
  void Up();
  // One could not connect, or was lost.
  void Refused(const std::string& reason);
  void Lost(const std::string& reason);
  // A worker's packets have all been answered, or given up.
  void Drained();

  // Every agent is up or down, for now.
  void WaitUntilSettled();
  // For so long, or until no agent is up.
  void WaitFor(std::chrono::nanoseconds time);
  void WaitUntilDrained(uint32_t workers);

  struct Counts {
    uint32_t connected = 0;  // Were up once.
    uint32_t refused = 0;
    uint32_t lost = 0;
    std::map<std::string, uint32_t> reasons;  // Of the refused and lost, how many each.
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
