// What a policy may cost a packet, and what its author is told.
#include "server/policy/advice/cost.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

// So many rules, with $ for a number from 0 on.
std::string Rules(int count, const std::string& rule) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const size_t at = rule.find('$');
    absl::StrAppend(
        &text,
        at == std::string::npos ? rule : absl::StrCat(rule.substr(0, at), i, rule.substr(at + 1)),
        "\n");
  }
  return text;
}

// What is said about the cost, with its place; empty if the policy is cheap enough.
std::string CostOf(const std::string& text) {
  policy::FakeNames names;
  const RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  EXPECT_NE(compiled.rules, nullptr) << text.substr(0, 100);
  if (!compiled.too_costly) return "";
  return absl::StrCat(compiled.too_costly->line(), ":", compiled.too_costly->column(), ": ",
                      compiled.too_costly->message());
}

// The program of `ip[1] = 7` has 7 instructions, so that a rule costs 23 steps.
constexpr int kStepsOfOne = 23;
constexpr int kMostRules = static_cast<int>(policy::kMostSteps / kStepsOfOne);

TEST(CostTest, RulesThatOnePacketMayMeetAddUp) {
  const struct {
    std::string rule;
    bool too_costly;  // One rule more than a packet may meet.
  } cases[] = {
      {"from any to any match \"ip[1] = 7\" accept;", true},
      {"from any to any match \"ip[1] = 7\" reject;", true},
      {"from 10.0.0.0/8 to any tcp port 25 state new match \"ip[1] = 7\" accept;", true},
      // A packet has one port, so it meets one of these rules, or a few.
      {"from any to any tcp port $ match \"ip[1] = 7\" accept;", false},
      {"from any udp port $ to any match \"ip[1] = 7\" accept;", false},
      {"from host 0x0a00$ to any match \"ip[1] = 7\" accept;", false},
      {"from any to not host 0x0a00$ match \"ip[1] = 7\" accept;", true},
      // A packet whose ports are not known meets all rules that reject.
      {"from any to any tcp port $ match \"ip[1] = 7\" reject;", true},
      {"from host 0x0a00$ to any match \"ip[1] = 7\" reject;", true},
      // The indexes know all of these.
      {"from any to any tcp port $ accept;", false},
  };
  EXPECT_EQ(CostOf(Rules(kMostRules, cases[0].rule)), "");
  for (const auto& one : cases) {
    EXPECT_EQ(!CostOf(Rules(kMostRules + 1, one.rule)).empty(), one.too_costly) << one.rule;
  }
}

TEST(CostTest, NamesTheRulesThatCostMost) {
  EXPECT_EQ(
      CostOf("default accept;\n" +
             Rules(kMostRules, "from any to any match \"ip[1] = 7\" accept;") +
             "rule \"long\" from any to any match \"ip[1] = 7 or ip[2] = 8\" accept;\n"),
      absl::StrCat(kMostRules + 2, ":13: a packet may cost ", kMostRules * kStepsOfOne + 25,
                   " steps, and at most 300000 are allowed: rules "
                   "with `match` or `subnet` are tried one after the other. Of ",
                   kMostRules + 1, " such rules these cost most (rule ", kMostRules + 1,
                   " \"long\", line ", kMostRules + 2,
                   ": 25; rule 1, line 2: 23; rule 2, line 3: 23). Shorten or join their "
                   "expressions, or add addresses, protocols or ports, so that fewer of them are "
                   "tried for one packet"));
}

TEST(CostTest, MasksWithHolesCount) {
  const std::string mask = "for 128.1.0.0 netmask is 255.255.0.255;\n";
  const std::string rule = "from subnet 128.1.0.7 to any accept;";
  constexpr int kSteps = 18;
  constexpr int kMost = static_cast<int>(policy::kMostSteps / kSteps);
  EXPECT_EQ(CostOf(mask + Rules(kMost, rule)), "");
  EXPECT_NE(CostOf(mask + Rules(kMost + 1, rule)), "");
}

}  // namespace
}  // namespace sluice::server
