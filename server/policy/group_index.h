#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/interval_map.h"
#include "server/policy/rule_bits.h"

namespace sluice::server::policy {

// Says which rules a group of interfaces matches on one side of them, the one a packet came in by
// or the one it leaves by. Immutable; any number of threads.
class GroupIndex final {
 public:
  GroupIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
             RuleBits* bits);

  // `group` may be empty, for none.
  RuleBits::Id Find(std::string_view group) const {
    const auto found = numbers_.find(group);
    return sets_.Find(found == numbers_.end() ? 0 : found->second);
  }

 private:
  std::map<std::string, uint32_t, std::less<>> numbers_;  // From 1; 0 is any other.
  IntervalMap<uint32_t> sets_;
};

}  // namespace sluice::server::policy
