#pragma once

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace sluice::bench {

// The resources that a process has used until now.
struct ProcessUsage {
  // Of all its threads, those that have ended too. From its own clock, which counts nanoseconds;
  // /proc/PID/stat has the same in hundredths of a second.
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;  // VmRSS in /proc/PID/status.
};

// NOT_FOUND if there is no such process.
absl::StatusOr<ProcessUsage> UsageOf(pid_t pid);

}  // namespace sluice::bench
