#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/advice/rule_cover.h"
#include "server/policy/advice/rule_name.h"
#include "server/policy/advice/warnings.h"

namespace sluice::server::policy {
namespace {

// Most pairs of rules compared for one policy; this takes some hundred milliseconds in all. Without
// a limit, policies in which many rules match the same packets without covering each other would
// take time without end.
constexpr size_t kMostComparisons = 2'000'000;

bool Same(const Decision& a, const Decision& b) {
  const auto ask = [](const Decision& decision) {
    return decision.ask ? std::optional(std::pair(decision.ask->decider, decision.ask->within))
                        : std::nullopt;
  };
  return a.accept == b.accept && a.notify == b.notify && a.log == b.log && a.scope == b.scope &&
         a.lifetime == b.lifetime && ask(a) == ask(b);
}

class Search {
 public:
  Search(const CheckedPolicy& policy, const Classifier& classifier, Problems* warnings)
      : policy_(policy), classifier_(classifier), cover_(policy.rules), warnings_(warnings) {}

  void Run() {
    const std::vector<CheckedRule>& rules = policy_.rules;
    for (size_t first = 0, end = 0; first < rules.size() && !warnings_->full(); first = end) {
      while (end < rules.size() && rules[end].place == rules[first].place) ++end;
      std::string warning;
      for (size_t rule = first; rule < end; ++rule) {
        std::string why = WhyNever(rule, first);
        if (why.empty()) {
          warning.clear();
          break;
        }
        if (warning.empty()) warning = std::move(why);
      }
      if (comparisons_ > kMostComparisons) return;
      if (!warning.empty()) warnings_->Add(rules[first].place, std::move(warning));
    }
  }

 private:
  // Why the rule never decides; empty if it may. Only rules before `first` count.
  std::string WhyNever(size_t rule, size_t first) {
    const std::string_view contradiction = cover_.Contradiction(rule);
    if (!contradiction.empty()) {
      return absl::StrCat(
          cover_.MatchesNothing(rule)
              ? "this rule can never match: "
              : "this rule only matches packets that do not show what it asks for: ",
          std::string(contradiction));
    }
    const std::optional<PacketView> example = cover_.Example(rule);
    if (!example) return "";
    const size_t by = classifier_.FirstOf(*example, [&](size_t before) {
      return before >= first || ++comparisons_ > kMostComparisons ||
             cover_.Of(before, rule) != RuleCover::Extent::kSome;
    });
    if (by >= first || comparisons_ > kMostComparisons) return "";
    const std::string name = RuleName(by + 1, policy_.rules[by], policy_.files);
    if (cover_.Of(by, rule) == RuleCover::Extent::kShown) {
      return absl::StrCat("shadowed: ", name,
                          ", matches whatever this rule does, and decides "
                          "otherwise, but for packets that do not show what is asked for");
    }
    if (Same(policy_.rules[by].decision, policy_.rules[rule].decision)) {
      return absl::StrCat("redundant: ", name,
                          ", matches whatever this rule does, and decides "
                          "the same");
    }
    return absl::StrCat("shadowed: ", name,
                        ", matches whatever this rule does, and decides "
                        "otherwise");
  }

  const CheckedPolicy& policy_;
  const Classifier& classifier_;
  const RuleCover cover_;
  Problems* const warnings_;
  size_t comparisons_ = 0;
};

}  // namespace

void WarnOfUnreachable(const CheckedPolicy& policy, const Classifier& classifier,
                       Problems& warnings) {
  Search(policy, classifier, &warnings).Run();
}

}  // namespace sluice::server::policy
