#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/policy/includes.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Rules one policy may have. Bounds what a text that is all `from any to any accept;` costs.
inline constexpr size_t kMostRules = 1'000'000;

// What compiling takes at its peak, for each rule and for each address that is written in a list.
// Measured with a million rules of several kinds and four million addresses, and rounded up.
inline constexpr uint64_t kBytesPerRule = 2048;
inline constexpr uint64_t kBytesPerAddress = 256;

// Reads a policy, and in place of each `include` the file it names. After a statement that is wrong
// it goes on behind the next `;`, or at the next word that begins a statement, so that one call
// tells of several problems; the result is then what could be read. It also ends where compiling
// would take more than `most_memory` bytes, which Syntax::memory says. Total: any bytes are taken;
// does not recurse. Several threads may call it.
Syntax Parse(const PolicyTexts& texts, Problems& problems, uint64_t most_memory = UINT64_MAX);
inline Syntax Parse(std::string_view text, Problems& problems) {
  return Parse(PolicyTexts{text, {}}, problems);
}

}  // namespace sluice::server::policy
