#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace sluice::loadgen {

// File descriptors `agents` simulated agents need: three connections each, and room for ours.
uint64_t DescriptorsFor(uint32_t agents);

// Raises our limit of open files (RLIMIT_NOFILE) as far as may be. RESOURCE_EXHAUSTED, with what to
// do: that is less than `wanted`.
absl::Status RaiseDescriptorLimit(uint64_t wanted);

}  // namespace sluice::loadgen
