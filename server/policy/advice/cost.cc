#include "server/policy/advice/cost.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/advice/rule_name.h"

namespace sluice::server::policy {
namespace {

// So many rules are named.
constexpr size_t kNamed = 3;

}  // namespace

std::optional<Problem> FindCost(const CheckedPolicy& policy, const Classifier& classifier,
                                uint64_t most) {
  const uint64_t steps = classifier.MostSteps(most);
  if (steps <= most) return std::nullopt;
  const std::vector<uint32_t> by_rule = classifier.StepsByRule();
  std::vector<size_t> dearest;
  for (size_t rule = 0; rule < by_rule.size(); ++rule) {
    if (by_rule[rule] > 0) dearest.push_back(rule);
  }
  const size_t all = dearest.size();
  std::partial_sort(dearest.begin(), dearest.begin() + static_cast<long>(std::min(kNamed, all)),
                    dearest.end(), [&](size_t a, size_t b) {
                      return by_rule[a] != by_rule[b] ? by_rule[a] > by_rule[b] : a < b;
                    });
  dearest.resize(std::min(kNamed, all));
  std::string named;
  for (const size_t rule : dearest) {
    absl::StrAppend(&named, named.empty() ? "" : "; ",
                    RuleName(rule + 1, policy.rules[rule], policy.files), ": ", by_rule[rule]);
  }
  return Problem{
      policy.rules[dearest.front()].place,
      absl::StrCat("a packet may cost ", steps, " steps, and at most ", most,
                   " are allowed: rules with `match` or `subnet` are tried one after the other. ",
                   "Of ", all, " such rules these cost most (", named,
                   "). Shorten or join their expressions, or add addresses, protocols or ports, "
                   "so that fewer of them are tried for one packet")};
}

}  // namespace sluice::server::policy
