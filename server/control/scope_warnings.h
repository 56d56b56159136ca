#pragma once

#include <vector>

#include "server/gateways/registry.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// One warning for each scope in the policy that the agent of a connected gateway cannot enforce.
std::vector<v1::PolicyProblem> ScopeWarnings(const RuleSet& rules, const Registry& registry);

}  // namespace sluice::server
