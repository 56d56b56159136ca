#pragma once

#include <cstddef>

#include "server/policy/checked_policy.h"
#include "server/policy/names.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Addresses the rules of one policy may have: those of kMostRules rules, and as many again. Names
// with many addresses in many rules would else take memory without end.
inline constexpr size_t kMostAddresses = 4'000'000;

// Gives every word of `syntax` its meaning: looks names up (each once), checks addresses and
// numbers, turns `between` into two rules. What is wrong is added to `problems`; the result is
// then not to be used. Blocks as long as `names` does.
//
// How `for NET netmask is MASK` and `subnet` go together. In screend's days an address told, by
// its class, which network it is in, and nothing told how that network was cut into subnets;
// `for 128.1.0.0 netmask is 255.255.255.0` tells. `subnet 128.1.7.0` is then the addresses of
// network 128.1.0.0 that are equal to it under that mask. So a `subnet` needs a mask declared for
// its own classful network, anywhere in the file since statements other than rules have no order;
// it is an error if there is none, if the value has bits set beside the mask, or if a network is
// given two masks. A mask covers at least the class's own bits and need not be contiguous.
// `subnet` is IPv4's; for IPv6, and for anything since 1993, there is `net ADDRESS/LENGTH`.
CheckedPolicy Check(const Syntax& syntax, Names& names, Problems& problems);

}  // namespace sluice::server::policy
