#pragma once

#include <cstdlib>

namespace sluice {

// What must hold whatever the input. Where it does not, libFuzzer keeps the input and shows from
// where this was called.
inline void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace sluice
