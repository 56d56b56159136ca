#pragma once

#include <cstddef>
#include <string_view>

#include "server/policy/includes.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Rules one policy may have. Bounds what a text that is all `from any to any accept;` costs:
// below two kilobytes a rule while it is compiled.
inline constexpr size_t kMostRules = 1'000'000;

// Reads a policy, and in place of each `include` the file it names. After a statement that is wrong
// it goes on behind the next `;`, or at the next word that begins a statement, so that one call
// tells of several problems; the result is then what could be read. Total: any bytes are taken;
// does not recurse. Several threads may call it.
Syntax Parse(const PolicyTexts& texts, Problems& problems);
inline Syntax Parse(std::string_view text, Problems& problems) {
  return Parse(PolicyTexts{text, {}}, problems);
}

}  // namespace sluice::server::policy
