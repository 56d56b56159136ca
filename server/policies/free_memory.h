#pragma once

#include <cstdint>
#include <string>

namespace sluice::server {

// About how many bytes this process may still take: what the machine has free or can free at once,
// or less if its control groups or its address space limit (RLIMIT_AS) leave less. UINT64_MAX if
// unknown. Reads sysfs before /proc/meminfo, which the server's systemd unit hides; control groups
// are those of cgroup v2. `root` is where tests have their /proc and /sys. Waits for the kernel for
// some microseconds.
uint64_t FreeMemory(const std::string& root = "");

}  // namespace sluice::server
