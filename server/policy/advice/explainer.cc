#include "server/policy/advice/explainer.h"

#include <utility>

#include "server/policy/advice/mismatches.h"

namespace sluice::server::policy {

Explanation Explain(const Syntax& syntax, const CheckedPolicy& policy, const PacketView& packet,
                    bool all, FactSet not_told) {
  Explanation explanation;
  Mismatches mismatches(packet, not_told);
  size_t rule = 0;
  for (const PairSyntax& pair : syntax.pairs) {
    for (const bool reversed : {false, true}) {
      if (reversed && !pair.between) continue;
      if (rule == policy.rules.size()) return explanation;
      FactSet hinges_on = 0;
      std::vector<std::string> found =
          mismatches.Of(pair, reversed, policy.rules[rule], &hinges_on);
      const bool matches = found.empty();
      const bool told = all || found.size() == 1 || hinges_on != 0;
      if (matches || (told && explanation.considered.size() < kMostConsidered)) {
        explanation.considered.push_back({rule, &pair, std::move(found), hinges_on});
      } else {
        ++explanation.others;
      }
      if (matches) return explanation;
      ++rule;
    }
  }
  return explanation;
}

}  // namespace sluice::server::policy
