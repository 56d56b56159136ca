#pragma once

#include <cstdint>
#include <string>

namespace sluice::server {

// Bytes this process may still take, about: what its machine has free or can free at once, less
// where its control groups or its limit of address space (RLIMIT_AS) leave it less. UINT64_MAX
// where nothing says. Of sysfs and cgroup v2 first: the server's unit hides /proc/meminfo. `root`
// is where /proc and /sys are, in tests. Blocks on the kernel for some microseconds.
uint64_t FreeMemory(const std::string& root = "");

}  // namespace sluice::server
