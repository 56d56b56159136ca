#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/policy/language/includes.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Most rules of one policy. Bounds what a text full of `from any to any accept;` costs.
inline constexpr size_t kMostRules = 1'000'000;

// Bytes that compiling takes at its peak, for each rule and for each address written in a list.
// Measured with a million rules of several kinds and four million addresses, and rounded up.
inline constexpr uint64_t kBytesPerRule = 2048;
inline constexpr uint64_t kBytesPerAddress = 256;

// Reads a policy and, in place of each `include`, the file it names. After a wrong statement it
// goes on after the next `;`, or at the next word that begins a statement, so that one call reports
// several problems; the result is then what could be read. It stops early if compiling would take
// more than `most_memory` bytes, which Syntax::memory shows. Takes any bytes; does not recurse.
// Several threads may call it.
Syntax Parse(const PolicyTexts& texts, Problems& problems, uint64_t most_memory = UINT64_MAX);
inline Syntax Parse(std::string_view text, Problems& problems) {
  return Parse(PolicyTexts{text, {}}, problems);
}

}  // namespace sluice::server::policy
