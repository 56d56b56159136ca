#include "agent/netfilter/survey/rule_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/flowtable.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sched.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "agent/netfilter/table/table.h"

namespace sluice::agent {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using Kind = RuleFinding::Kind;

class RuleSurveyTest : public ::testing::Test {
 protected:
  // Each test has its own network namespace, which ends with the process or when the next test
  // begins.
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

TEST_F(RuleSurveyTest, FindsWhatWritesConnectionMarks) {
  for (const char* set : {"--set-xmark 0x100/0xf00", "--set-mark 0x2000/0x2000",
                          "--save-mark --nfmask 0xf0000 --ctmask 0xf0000", "--and-mark 0xfffffff0",
                          "--or-mark 0x40"}) {
    Run(std::string("iptables-nft -t mangle -A FORWARD -j CONNMARK ") + set);
  }
  Run("iptables-nft -t mangle -A FORWARD -m connmark --mark 1/1 -j ACCEPT");
  Run("iptables-nft -t mangle -A FORWARD -j CONNMARK --restore-mark --nfmask 0x1 --ctmask 0x2");
  Run("nft 'add table inet t; add chain inet t a; add chain inet t b; add chain inet t c;"
      " add chain inet t d;"
      " add rule inet t a ct mark set ct mark and 0xffffff0f or 0x50;"
      " add rule inet t b ct mark set 0x1;"
      " add rule inet t c ct mark set meta mark;"
      " add rule inet t d meta mark set ct mark;"
      " add rule inet t d ct mark and 0xff == 1 counter accept'");
  const auto findings = SurveyRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  const auto found = [](Kind kind, const char* where, uint32_t bits) {
    return RuleFinding{kind, where, 0, 0, bits};
  };
  constexpr char kForward[] = "table ip mangle, chain FORWARD";
  EXPECT_THAT(*findings,
              UnorderedElementsAre(found(Kind::kConnectionMark, kForward, 0xf00),
                                   found(Kind::kConnectionMark, kForward, 0x2000),
                                   found(Kind::kConnectionMark, kForward, 0xf0000),
                                   found(Kind::kConnectionMark, kForward, 0xf),
                                   found(Kind::kConnectionMark, kForward, 0x40),
                                   found(Kind::kMark, kForward, 0x3),
                                   found(Kind::kConnectionMark, "table inet t, chain a", 0xf0),
                                   found(Kind::kConnectionMark, "table inet t, chain b", ~0u),
                                   found(Kind::kConnectionMark, "table inet t, chain c", ~0u),
                                   found(Kind::kMark, "table inet t, chain d", ~0u)));
}

TEST_F(RuleSurveyTest, LeavesOutOurTable) {
  Run("nft 'add table inet sluice; add chain inet sluice c; "
      "add rule inet sluice c meta mark set 1'");
  const auto findings = SurveyRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(*findings, IsEmpty());
}

TEST_F(RuleSurveyTest, FindsTheQueuesOfOurTable) {
  Run("iptables-nft -t mangle -A FORWARD -j NFQUEUE --queue-num 3");
  const auto table = Table::Open({.first_queue = 4, .queue_count = 3});
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_EQ((*table)->Install(TableMode::kOn), absl::OkStatus());
  const auto findings = SurveyOurRules();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_THAT(*findings, Contains(RuleFinding{Kind::kQueue, "table inet sluice, chain ask", 4, 6}));
  EXPECT_THAT(*findings, Not(Contains(Field(&RuleFinding::first_queue, 3))));
}

// Built messages, as a kernel with flowtables would send them; the test's kernel may have none.
TEST_F(RuleSurveyTest, FindsFlowtables) {
  for (const uint32_t flags : {uint32_t{0}, uint32_t{NFT_FLOWTABLE_HW_OFFLOAD}}) {
    alignas(nlmsghdr) std::array<char, 4096> buffer{};
    nlmsghdr* message =
        nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_NEWFLOWTABLE, NFPROTO_IPV6, 0, 1);
    const std::unique_ptr<nftnl_flowtable, void (*)(const nftnl_flowtable*)> table(
        nftnl_flowtable_alloc(), &nftnl_flowtable_free);
    nftnl_flowtable_set_str(table.get(), NFTNL_FLOWTABLE_TABLE, "t");
    nftnl_flowtable_set_str(table.get(), NFTNL_FLOWTABLE_NAME, "fast");
    nftnl_flowtable_set_u32(table.get(), NFTNL_FLOWTABLE_FLAGS, flags);
    nftnl_flowtable_nlmsg_build_payload(message, table.get());
    const auto found = FlowtableIn(message);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->kind, Kind::kFlowtable);
    EXPECT_EQ(found->where, "table ip6 t, flowtable fast");
    EXPECT_EQ(found->offload, flags != 0);
  }
}

}  // namespace
}  // namespace sluice::agent
