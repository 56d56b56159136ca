#include "agent/release.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "agent/netfilter/queue/queue_socket.h"
#include "agent/netfilter/table/agent_claim.h"
#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;

class ReleaseTest : public TableTestbed {
 protected:
  // A table as an agent leaves it.
  static void Leave(const TableOptions& options) {
    const auto table = Table::Open(options);
    ASSERT_TRUE(table.ok()) << table.status();
    ASSERT_EQ((*table)->Install(TableMode::kOn), absl::OkStatus());
  }
  static void ExpectReleased(bool found) {
    const auto released = Release();
    ASSERT_TRUE(released.ok()) << released.status();
    EXPECT_EQ(*released, found);
    EXPECT_EQ(Shell("nft list ruleset"), "");
  }
  static void ExpectRefused(const std::string& who) {
    const auto released = Release();
    EXPECT_EQ(released.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(released.status().message()), HasSubstr(who));
    EXPECT_THAT(Shell("nft list tables"), HasSubstr("table inet sluice\n"));
  }
};

TEST_F(ReleaseTest, TakesOutWhateverAnAgentLeft) {
  Leave({.first_queue = 4, .queue_count = 2, .mark_mask = 0xff0, .connection_mark_mask = 0});
  ExpectReleased(true);
  ExpectReleased(false);
  Leave({.fail_open = true});
  Shell("nft flush chain inet sluice ask");
  ExpectReleased(true);
}

TEST_F(ReleaseTest, RefusesWhileAnAgentRuns) {
  Leave({});
  {
    const auto claim = AgentClaim::Take("process 12, gateway gw1");
    ASSERT_TRUE(claim.ok()) << claim.status();
    ExpectRefused("process 12, gateway gw1");
  }
  ExpectReleased(true);
}

TEST_F(ReleaseTest, RefusesWhileAnyQueueOfTheTableIsListenedTo) {
  Leave({.first_queue = 4, .queue_count = 3});
  {
    const auto queue = QueueSocket::Open({.queue = 6, .receive_buffer = 1 << 20}, {});
    ASSERT_TRUE(queue.ok()) << queue.status();
    ExpectRefused("queue 6 is of process " + std::to_string(getpid()) + ", release_test");
  }
  const auto other = QueueSocket::Open({.queue = 7, .receive_buffer = 1 << 20}, {});
  ASSERT_TRUE(other.ok()) << other.status();
  ExpectReleased(true);
}

}  // namespace
}  // namespace sluice::agent
