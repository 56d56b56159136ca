#pragma once

#include <map>
#include <string>

#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Warns of each host or network of `outdated` (Names::outdated) where the policy names it first.
void WarnOfOutdated(const Syntax& syntax, std::map<std::string, std::string> outdated,
                    Problems& warnings);

}  // namespace sluice::server::policy
