#pragma once

#include <cstdlib>

namespace sluice {

// Requires a condition that must hold for every input. If it does not, libFuzzer keeps the input
// and shows where this was called.
inline void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace sluice
