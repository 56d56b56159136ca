#include "agent/netfilter/table/agent_claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

class AgentClaimTest : public TableTestbed {
 protected:
  static std::optional<std::string> Holder() {
    auto found = FindClaim();
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(std::nullopt);
  }
};

TEST_F(AgentClaimTest, IsHadByOneAtATime) {
  EXPECT_EQ(Holder(), std::nullopt);
  auto first = AgentClaim::Take("process 12, gateway gw1");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Holder(), "process 12, gateway gw1");
  EXPECT_THAT(Shell("nft list ruleset"), HasSubstr("process 12, gateway gw1"));
  const auto second = AgentClaim::Take("process 13");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.status().message(), "process 12, gateway gw1");
  first->reset();
  EXPECT_EQ(Shell("nft list ruleset"), "");
  EXPECT_TRUE(AgentClaim::Take("process 13").ok());
}

TEST_F(AgentClaimTest, OthersCannotTakeItOut) {
  const auto claim = AgentClaim::Take("process 12");
  ASSERT_TRUE(claim.ok()) << claim.status();
  Shell("nft delete table ip sluice-agent 2>&1 | grep -q 'not permitted'");
  Shell("nft flush ruleset");
  EXPECT_EQ(Holder(), "process 12");
}

TEST_F(AgentClaimTest, EndsWithTheProcessHoweverThatEnds) {
  int taken[2];
  ASSERT_EQ(pipe(taken), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto claim = AgentClaim::Take("the child");
    if (write(taken[1], "x", 1) == 1) pause();
    _exit(1);
  }
  char byte;
  ASSERT_EQ(read(taken[0], &byte, 1), 1);
  EXPECT_EQ(Holder(), "the child");
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(Holder(), std::nullopt);
  close(taken[0]);
  close(taken[1]);
}

TEST_F(AgentClaimTest, ATableNobodyOwnsIsNobodys) {
  Shell("nft add table ip sluice-agent");
  EXPECT_EQ(Holder(), std::nullopt);
  const auto claim = AgentClaim::Take("process 12");
  ASSERT_TRUE(claim.ok()) << claim.status();
  EXPECT_EQ(Holder(), "process 12");
}

TEST_F(AgentClaimTest, WhatOthersSayOfThemselvesIsCutAndPrintable) {
  const auto claim = AgentClaim::Take("a\n\xff\x1b" + std::string(300, 'z'));
  ASSERT_TRUE(claim.ok()) << claim.status();
  const std::string who = Holder().value_or("");
  EXPECT_THAT(who, HasSubstr("a\\n"));
  EXPECT_THAT(who, HasSubstr("\\x1b"));
  EXPECT_LT(who.size(), 140u);
}

TEST_F(AgentClaimTest, WithoutPrivilegeSaysWhatIsNeeded) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    const auto claim = AgentClaim::Take("process 12");
    _exit(absl::IsPermissionDenied(claim.status()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sluice::agent
