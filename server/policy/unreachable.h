#pragma once

#include "server/policy/checked_policy.h"
#include "server/policy/classifier.h"
#include "server/policy/problems.h"

namespace sluice::server::policy {

// Warns of statements whose rules never decide: what they ask for contradicts itself, or one rule
// before each of them matches all that it does. Of rules that reject, also where they are left with
// packets that do not show what they ask for. Sound: a rule that decides any other packet is never
// among them, and what is in watched files is not counted on; but it does not see what takes
// several rules before to cover.
//
// A `between` is told of only where both its rules never decide: often one half is all it is for.
void WarnOfUnreachable(const CheckedPolicy& policy, const Classifier& classifier,
                       Problems& warnings);

}  // namespace sluice::server::policy
