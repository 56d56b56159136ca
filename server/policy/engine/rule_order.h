#pragma once

#include <cstdint>
#include <vector>

#include "server/policy/checker/checked_policy.h"

namespace sluice::server::policy {

// The order in which RuleBits keeps rules. Rules that ask for nearby addresses and ports are
// together, so that a packet agrees with rules in few lines; within a line rules are in the order
// of the policy.
struct RuleOrder {
  std::vector<uint32_t> indexes;          // Of the rules, by position.
  std::vector<const CheckedRule*> rules;  // By position.
};

// The rules must outlive the result.
RuleOrder OrderRules(const std::vector<CheckedRule>& rules);

}  // namespace sluice::server::policy
