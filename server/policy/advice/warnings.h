#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/classifier.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Warns of statements whose rules never decide, because what they ask for contradicts itself, or
// because one earlier rule matches everything that such a rule does. For rules that reject, warns
// also if only packets that do not show what the rule asks for are left to it. Such warnings are
// sound: no rule that decides any other packet gets one, and nothing relies on watched files, which
// may change. They are not complete: a rule that only several earlier rules together cover gets
// none.
//
// A `between` gets a warning only if both its rules never decide, since often only one half of it
// is needed.
void WarnOfUnreachable(const CheckedPolicy& policy, const Classifier& classifier,
                       Problems& warnings);

// Warns of each host or network in `outdated` (Names::outdated), at the first place where the
// policy names it.
void WarnOfOutdated(const Syntax& syntax, std::map<std::string, std::string> outdated,
                    Problems& warnings);

}  // namespace sluice::server::policy
