#pragma once

#include <cstdint>
#include <vector>

#include "server/policy/checked_policy.h"

namespace sluice::server::policy {

// The order in which RuleBits keeps rules: those that ask for nearby addresses and ports together,
// so that a packet agrees with few of its lines, and within a line as in the policy.
struct RuleOrder {
  std::vector<uint32_t> indexes;          // Of the rules, by position.
  std::vector<const CheckedRule*> rules;  // By position.
};

// The rules must outlive the result.
RuleOrder OrderRules(const std::vector<CheckedRule>& rules);

}  // namespace sluice::server::policy
