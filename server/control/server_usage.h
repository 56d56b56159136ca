#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
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

// Nullopt if `line` is not as proc(5) says.
std::optional<ProcessStat> ParseProcessStat(const std::string& line);

// How long a process has run that started at `start_ticks`. `since_boot` is the CLOCK_BOOTTIME,
// which proc(5)'s starttime counts as well.
std::chrono::nanoseconds RunTime(uint64_t start_ticks, int64_t ticks_per_second,
                                 std::chrono::nanoseconds since_boot);

// Fills in what peers cost (the edge knows).
using FillPeers = std::function<void(v1::PeerUsage*)>;

// ControlService.GetServer: what CPU time and memory this process uses, and for how many gateways.
// Any thread may call; it reads a file in /proc, which does not wait for a disk.
absl::Status GetServer(const Registry& registry, const FillPeers& peers,
                       v1::GetServerResponse* response);

}  // namespace sluice::server
