#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace sluice {

// Raises the limit of open files (RLIMIT_NOFILE) to the hard limit; the usual soft limit of 1,024
// is meant for programs that use select(2). RESOURCE_EXHAUSTED, with advice, if that is less than
// `wanted`. `who` is the beginning of the message: "100 agents" may need so many.
absl::Status RaiseOpenFiles(uint64_t wanted, std::string_view who);

// How many files this process may have open (RLIMIT_NOFILE, the soft limit).
uint64_t OpenFilesAllowed();

}  // namespace sluice
