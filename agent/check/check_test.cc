#include "agent/check/check.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/check/check_report.h"
#include "agent/check/checks.h"
#include "agent/config/config_reader.h"
#include "agent/netfilter/queue/queue_socket.h"
#include "agent/netfilter/table/agent_claim.h"
#include "agent/netfilter/table/table.h"

namespace sluice::agent {
namespace {

AgentConfig Config(const std::string& text) {
  const auto config = ReadConfig("servers: [\"unix:/no-such-socket\"]\n" + text, "f");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : AgentConfig();
}

// Each test has a network namespace of its own.
class CheckTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "this test must be run as root"; }

  // What `part` prints.
  template <typename... Arguments>
  static std::string Told(void (*part)(Arguments...), const AgentConfig& config) {
    std::ostringstream out;
    CheckReport report(out);
    part(config, report);
    return out.str();
  }

  static void Run(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
};

TEST_F(CheckTest, KernelAndRightsAsNobody) {
  const std::string told = Told(&CheckRightsAndKernel, Config("user: nobody\n"));
  EXPECT_FALSE(absl::StrContains(told, "FAIL")) << told;
  EXPECT_TRUE(absl::StartsWith(told, "ok   becomes user nobody, keeping CAP_NET_ADMIN alone\n"))
      << told;
  EXPECT_TRUE(absl::StrContains(told, "ok   kernel takes the agent's rules (nftables with "))
      << told;
  EXPECT_TRUE(absl::StrContains(told, "ok   kernel's queue counters can be read")) << told;
  EXPECT_TRUE(absl::StrContains(told, "ok   queues.receive_buffer of 67108864 bytes")) << told;
  // The child gave up its rights, not this process, and nothing was left in the kernel.
  EXPECT_EQ(geteuid(), 0u);
  Run("test -z \"$(nft list ruleset)\"");
}

TEST_F(CheckTest, BesideAnAgentItsRulesAreLeftAlone) {
  const AgentConfig config = Config("user: nobody\n");
  const auto claim = AgentClaim::Take("process 12");
  ASSERT_TRUE(claim.ok()) << claim.status();
  const auto table = Table::Open({});
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_EQ((*table)->Install(TableMode::kOn), absl::OkStatus());
  const std::string told = Told(&CheckRightsAndKernel, config);
  EXPECT_FALSE(absl::StrContains(told, "FAIL")) << told;
  EXPECT_TRUE(absl::StrContains(told, "note an agent runs here (process 12)")) << told;
  const std::string scratch = Told(&CheckQueuesScratch, config);
  EXPECT_FALSE(absl::StrContains(scratch, "FAIL")) << scratch;
  EXPECT_TRUE(absl::StrContains(scratch, "ok   kernel takes the agent's rules")) << scratch;
  EXPECT_TRUE((*table)->Intact().value_or(false));
}

TEST_F(CheckTest, UnknownUserEndsTheRest) {
  const std::string told = Told(&CheckRightsAndKernel, Config("user: no-such-user\n"));
  EXPECT_TRUE(absl::StartsWith(told, "FAIL rights: user: this machine has no user `no-such-user`"))
      << told;
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1) << told;
}

TEST_F(CheckTest, ScratchNamespace) {
  for (const char* text : {"user: nobody\n", "user: ''\nfail_mode: open\nqueues: {gso: false}\n"}) {
    const std::string told = Told(&CheckQueuesScratch, Config(text));
    EXPECT_TRUE(absl::StartsWith(told, "ok   a queue can be bound with max_length 8192")) << told;
    EXPECT_TRUE(absl::StrContains(told, "ok   conntrack events can be subscribed to")) << told;
  }
}

TEST_F(CheckTest, QueueOwnerIsNamed) {
  const AgentConfig config = Config("queues: {first: 3, count: 2}\n");
  EXPECT_EQ(Told(&CheckQueueOwners, config), "ok   queues 3 to 4 free\n");
  QueueSocketOptions options;
  options.queue = 4;
  const auto queue = QueueSocket::Open(options, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  const std::string told = Told(&CheckQueueOwners, config);
  EXPECT_TRUE(absl::StartsWith(told, "FAIL queue 4: is owned by port id ")) << told;
  EXPECT_TRUE(absl::StrContains(told, absl::StrCat("(process ", getpid(), ", check_test); end ")))
      << told;
}

TEST_F(CheckTest, ForeignRules) {
  EXPECT_EQ(Told(&CheckForeignRules, Config("")), "");
  Run("iptables-nft -t mangle -A FORWARD -j NFQUEUE --queue-num 3");
  Run("iptables-nft -t mangle -A FORWARD -j MARK --set-xmark 0x1000000/0x1000000");
  const std::string told = Told(&CheckForeignRules, Config("queues: {first: 3}\n"));
  EXPECT_TRUE(absl::StrContains(told,
                                "FAIL queue 3: table ip mangle, chain FORWARD hands packets "
                                "to queue 3 too; "))
      << told;
  EXPECT_TRUE(absl::StrContains(told, "changes bits 0x1000000 of the packet mark")) << told;
  EXPECT_TRUE(absl::StartsWith(Told(&CheckForeignRules, Config("queues: {first: 4}\n")), "note "));
  EXPECT_EQ(Told(&CheckForeignRules, Config("queues: {first: 3}\nhook: {manage: false}\n")),
            "ok   table ip mangle, chain FORWARD hands packets to queue 3\n");
}

TEST_F(CheckTest, RulesThatWipeWhatConnectionsBear) {
  Run("iptables-nft -t mangle -A FORWARD -j CONNMARK --set-xmark 0x3000000/0x3000000");
  Run("nft 'add table inet t; add chain inet t c; add rule inet t c ct mark set ct mark or 0x7'");
  const std::string told = Told(&CheckForeignRules, Config(""));
  EXPECT_TRUE(absl::StartsWith(told,
                               "note table ip mangle, chain FORWARD changes bits 0x3000000 "
                               "of the connection mark, which are the agent's"))
      << told;
  EXPECT_FALSE(absl::StrContains(told, "table inet t")) << told;
  EXPECT_EQ(Told(&CheckForeignRules, Config("hook: {connection_mark_mask: 0xff0000}\n")), "");
  EXPECT_EQ(Told(&CheckForeignRules, Config("hook: {manage: false}\n")), "");
}

TEST_F(CheckTest, LegacyRules) {
  Run("iptables-legacy -t mangle -A FORWARD -j NFQUEUE --queue-num 3");
  const std::string told = Told(&CheckForeignRules, Config(""));
  EXPECT_TRUE(absl::StartsWith(told,
                               "note there are rules of iptables-legacy "
                               "(/proc/net/ip_tables_names), which are not looked at; they "
                               "may queue packets: `iptables-legacy-save | grep NFQUEUE`"))
      << told;
}

TEST_F(CheckTest, Bypasses) {
  const auto told = [] {
    std::ostringstream out;
    CheckReport report(out);
    CheckBypasses(report);
    return out.str();
  };
  EXPECT_EQ(told(), "");
  Run("ip link add left type veth peer name right && tc qdisc add dev left clsact && "
      "tc filter add dev left ingress bpf bytecode '1,6 0 0 4294967295'");
  EXPECT_EQ(told(),
            "note left has a tc BPF filter on ingress: what it forwards by itself (redirects) "
            "passes no rules, and the agent does not see it\n");
}

TEST_F(CheckTest, ConntrackSettings) {
  const std::string path = "/proc/sys/net/netfilter/nf_conntrack_events";
  std::ofstream(path) << 0 << std::endl;
  EXPECT_TRUE(absl::StrContains(Told(&CheckConntrackSettings, Config("")),
                                "FAIL net.netfilter.nf_conntrack_events: is 0"));
  EXPECT_EQ(Told(&CheckConntrackSettings, Config("conntrack: {events: false}\n")), "");
  std::ofstream(path) << 2 << std::endl;
  EXPECT_TRUE(absl::StrContains(Told(&CheckConntrackSettings, Config("")),
                                "ok   conntrack events are on\n"));
}

// The whole check, in a child: it uses gRPC, and tests that fork may follow.
TEST_F(CheckTest, TheWhole) {
  const pid_t child = fork();
  if (child == 0) {
    std::ostringstream out;
    const bool passed = Check(Config("user: nobody\n"), out);
    const bool right = !passed && absl::StrContains(out.str(), "FAIL server unix:/no-such-socket");
    if (!right) fprintf(stderr, "%s", out.str().c_str());
    _exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sluice::agent
