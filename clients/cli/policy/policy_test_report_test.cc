#include "clients/cli/policy/policy_test_report.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace sluice::cli {
namespace {

v1::PolicyRuling Ruling(uint32_t rule, v1::Action action, const std::string& reason) {
  v1::PolicyRuling ruling;
  ruling.set_rule(rule);
  ruling.set_action(action);
  ruling.set_reason(reason);
  return ruling;
}

std::string Shown(const PolicyTestReport& report) {
  std::ostringstream out;
  report.Print(out, false);
  return out.str();
}

TEST(PolicyTestReportTest, CountsByRuleTheDefaultLast) {
  PolicyTestReport report;
  EXPECT_EQ(Shown(report), "0 packets: 0 accepted, 0 dropped\n");
  report.Count(Ruling(0, v1::ACTION_DROP, "default"));
  EXPECT_EQ(Shown(report),
            "1 packet: 0 accepted, 1 dropped\n"
            "PACKETS  ACTION  RULE\n"
            "      1  drop    default\n");
  for (int i = 0; i < 3; ++i) report.Count(Ruling(12, v1::ACTION_ACCEPT, "rule 12, line 4"));
  report.Count(Ruling(7, v1::ACTION_DROP, "rule 7 \"no\", line 2"));
  EXPECT_EQ(Shown(report),
            "5 packets: 3 accepted, 2 dropped\n"
            "PACKETS  ACTION  RULE\n"
            "      1  drop    rule 7 \"no\", line 2\n"
            "      3  accept  rule 12, line 4\n"
            "      1  drop    default\n");
  EXPECT_EQ(
      report.ToJsonLine(2, 3),
      "{\"summary\":{\"packets\":\"5\",\"accepted\":\"3\",\"dropped\":\"2\","
      "\"otherFrames\":\"2\",\"incompleteDatagrams\":\"3\",\"rules\":["
      "{\"reason\":\"rule 7 \\\"no\\\", line 2\",\"action\":\"ACTION_DROP\",\"packets\":\"1\"},"
      "{\"reason\":\"rule 12, line 4\",\"action\":\"ACTION_ACCEPT\",\"packets\":\"3\"},"
      "{\"reason\":\"default\",\"action\":\"ACTION_DROP\",\"packets\":\"1\"}]}}");
}

}  // namespace
}  // namespace sluice::cli
