#include "tests/bench/raw_agents/process_usage.h"

#include <time.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice::bench {

absl::StatusOr<ProcessUsage> UsageOf(pid_t pid) {
  const absl::Status none = absl::NotFoundError(absl::StrCat("there is no process ", pid));
  clockid_t clock = 0;
  timespec time = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return none;
  ProcessUsage usage;
  usage.cpu_seconds = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string name;
  while (status >> name) {
    if (name != "VmRSS:") continue;
    uint64_t kibibytes = 0;
    status >> kibibytes;
    usage.resident_bytes = kibibytes * 1024;
    return usage;
  }
  return none;
}

}  // namespace sluice::bench
