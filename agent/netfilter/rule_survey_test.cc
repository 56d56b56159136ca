#include "agent/netfilter/rule_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>

namespace sluice::agent {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Kind = RuleFinding::Kind;

class RuleSurveyTest : public ::testing::Test {
 protected:
  // Each test has a network namespace of its own, gone with the process or the next one.
  void SetUp() override { ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "this test must be run as root"; }

  static void Run(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
};

TEST_F(RuleSurveyTest, NoRules) {
  const auto findings = SurveyRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(*findings, IsEmpty());
}

TEST_F(RuleSurveyTest, FindsQueuesAndMarks) {
  Run("iptables-nft -t mangle -A FORWARD -j NFQUEUE --queue-balance 3:5");
  Run("iptables-nft -t mangle -A PREROUTING -j MARK --set-xmark 0x10/0xff");
  Run("iptables-nft -t mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xf00 "
      "--ctmask 0xf00");
  Run("ip6tables-nft -t mangle -A FORWARD -j NFQUEUE --queue-num 7");
  const auto findings = SurveyRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(*findings,
              UnorderedElementsAre(
                  RuleFinding{Kind::kQueue, "table ip mangle, chain FORWARD", 3, 5},
                  RuleFinding{Kind::kMark, "table ip mangle, chain PREROUTING", 0, 0, 0xff},
                  RuleFinding{Kind::kMark, "table ip mangle, chain PREROUTING", 0, 0, 0xf00},
                  RuleFinding{Kind::kQueue, "table ip6 mangle, chain FORWARD", 7, 7}));
}

TEST_F(RuleSurveyTest, FollowsNativeMarkRules) {
  Run("nft 'add table inet t; add chain inet t c;"
      " add rule inet t c meta mark set meta mark and 0xfffffff0 or 0x5;"
      " add rule inet t c meta mark set 0x1;"
      " add rule inet t c meta mark and 0xff == 1 counter accept'");
  const auto findings = SurveyRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(*findings, UnorderedElementsAre(
                             RuleFinding{Kind::kMark, "table inet t, chain c", 0, 0, 0xf},
                             RuleFinding{Kind::kMark, "table inet t, chain c", 0, 0, 0xffffffff}));
}

TEST_F(RuleSurveyTest, LeavesOutOurTable) {
  Run("nft 'add table inet sluice; add chain inet sluice c; "
      "add rule inet sluice c meta mark set 1'");
  const auto findings = SurveyRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(*findings, IsEmpty());
}

}  // namespace
}  // namespace sluice::agent
