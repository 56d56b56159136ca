#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "server/policy/checker/checked_policy.h"

namespace sluice::server::policy {

// How people are shown a rule: "rule 3, line 7", `rule 3 "mail", lists/mail line 7`. `number` is
// from 1; `files` are the policy's.
std::string RuleName(size_t number, const CheckedRule& rule, const std::vector<std::string>& files);

}  // namespace sluice::server::policy
