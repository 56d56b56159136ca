#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace sluice {

// Raises the limit of open files (RLIMIT_NOFILE) as far as may be: what a login shell allows,
// 1,024, is meant for programs that use select(2). RESOURCE_EXHAUSTED, with what to do: that is
// less than `wanted`, and `who` (the beginning of a sentence: "100 agents") needs as many.
absl::Status RaiseOpenFiles(uint64_t wanted, std::string_view who);

}  // namespace sluice
