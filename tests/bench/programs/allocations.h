#pragma once

#include <cstdint>

namespace sluice::bench {

// Calls of operator new by this thread so far. Linking this library replaces operator new by one
// that counts.
uint64_t Allocations();

}  // namespace sluice::bench
