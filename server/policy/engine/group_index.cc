#include <tuple>
#include <utility>

#include "server/policy/engine/indexes.h"
#include "server/policy/engine/interval_sweep.h"

namespace sluice::server::policy {

GroupIndex::GroupIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
                       RuleBits* bits) {
  RuleBitsWriter anything(bits);
  std::vector<SweptTerm> terms;
  std::vector<SweptInterval<uint32_t>> intervals;
  std::map<std::tuple<bool, std::vector<std::string>>, uint32_t> known;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const GroupTerm& term = (rules[rule]->*side).group;
    if (term.names.empty()) {
      anything.Set(rule, true);
      continue;
    }
    const auto [entry, is_new] = known.emplace(std::tuple(term.negated, term.names), terms.size());
    if (is_new) {
      terms.push_back({term.negated, {}});
      for (const std::string& name : term.names) {
        const auto number =
            numbers_.emplace(name, static_cast<uint32_t>(numbers_.size() + 1)).first->second;
        intervals.push_back({number, number, entry->second});
      }
    }
    terms[entry->second].rules.push_back(rule);
  }
  sets_ = IntervalSweep<uint32_t>(terms, std::move(anything)).Run(intervals);
}

}  // namespace sluice::server::policy
