#include "agent/netfilter/survey/probe.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace sluice::agent {
namespace {

class ProbeTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "this test must be run as root"; }
};

TEST_F(ProbeTest, KernelAnswers) {
  EXPECT_TRUE(ProbeQueueing().ok()) << ProbeQueueing();
  EXPECT_TRUE(ProbeConntrackEvents().ok()) << ProbeConntrackEvents();
  const auto connections = ProbeConntrack();
  ASSERT_TRUE(connections.ok()) << connections.status();
  EXPECT_EQ(*connections, 0u);
  const auto granted = ProbeReceiveBuffer(8 << 20);
  ASSERT_TRUE(granted.ok()) << granted.status();
  EXPECT_GE(*granted, size_t{8} << 20);
}

TEST_F(ProbeTest, ConnectionsThatAreNotOffloadedDoNotCount) {
  ASSERT_EQ(std::system("conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1 --dport 2 "
                        "-t 60 >/dev/null 2>&1"),
            0);
  EXPECT_EQ(ProbeConntrack().value_or(0), 1u);
  const auto offloaded = ProbeOffloaded();
  ASSERT_TRUE(offloaded.ok()) << offloaded.status();
  EXPECT_EQ(*offloaded, 0u);
}

TEST_F(ProbeTest, SaysThatTheCapabilityIsMissing) {
  const pid_t child = fork();
  if (child == 0) {
    const bool dropped = setuid(65534) == 0;
    const bool refused = absl::IsPermissionDenied(ProbeQueueing()) &&
                         absl::IsPermissionDenied(ProbeConntrack().status()) &&
                         absl::IsPermissionDenied(ProbeReceiveBuffer(8 << 20).status());
    _exit(dropped && refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sluice::agent
