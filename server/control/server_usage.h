#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "server/gateways/registry.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// What proc(5) says of a process in /proc/[pid]/stat.
struct ProcessStat {
  // When it started, in clock ticks since boot.
  uint64_t start_ticks = 0;
  // Its resident set. The kernel adds up what each processor counted, so a few pages may be
  // missing.
  uint64_t resident_pages = 0;
};

// None where `line` is not as proc(5) says.
std::optional<ProcessStat> ParseProcessStat(const std::string& line);

// What is left of `since_boot`, CLOCK_BOOTTIME as starttime is, once the process had started.
std::chrono::nanoseconds RunTime(uint64_t start_ticks, int64_t ticks_per_second,
                                 std::chrono::nanoseconds since_boot);

// ControlService.GetServer: what this process costs, and for how many gateways. Any thread; it
// reads a file of the kernel's, which does not wait for a disk.
grpc::Status GetServer(const Registry& registry, v1::GetServerResponse* response);

}  // namespace sluice::server
