#pragma once

#include <cstddef>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/checker/names.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Most addresses that the rules of one policy may have in all: two for each of kMostRules rules,
// and as many again. Without a limit, names with many addresses in many rules would take memory
// without end.
inline constexpr size_t kMostAddresses = 4'000'000;

// Gives every word of `syntax` its meaning: looks up names (each once), checks addresses and
// numbers, turns each `between` into two rules. Adds what is wrong to `problems`; the result must
// then not be used. Blocks as long as `names` does.
//
// How `for NET netmask is MASK` and `subnet` go together. In screend's days the class of an address
// told which network it is in, but not how that network was cut into subnets; `for 128.1.0.0
// netmask is 255.255.255.0` tells it. `subnet 128.1.7.0` then means the addresses of network
// 128.1.0.0 that are equal to it under that mask. So a `subnet` needs a mask declared for its own
// classful network. The declaration may be anywhere in the file, since statements other than rules
// have no order. It is an error if there is none, if the value has bits set outside the mask, or if
// a network is given two masks. A mask covers at least the class's own bits and need not be
// contiguous. `subnet` is for IPv4 only; for IPv6, and for anything since 1993, there is `net
// ADDRESS/LENGTH`.
CheckedPolicy Check(const Syntax& syntax, Names& names, Problems& problems);

}  // namespace sluice::server::policy
