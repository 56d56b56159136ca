#include "agent/netfilter/table/table_monitor.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>

#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

// The kernel sends notifications before the command that makes a change returns, so tests need not
// wait.
class TableMonitorTest : public TableTestbed {
 protected:
  void SetUp() override {
    TableTestbed::SetUp();
    auto monitor = TableMonitor::Open();
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
    auto table = Table::Open({});
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }

  bool Readable() const {
    pollfd fd = {.fd = monitor_->fd(), .events = POLLIN, .revents = 0};
    return poll(&fd, 1, 0) == 1;
  }
  bool Changed() { return monitor_->ChangedByOthers(table_->port_id()).has_value(); }

  std::unique_ptr<TableMonitor> monitor_;
  std::unique_ptr<Table> table_;
};

TEST_F(TableMonitorTest, OurOwnChangesAreNoNews) {
  EXPECT_FALSE(Readable());
  EXPECT_FALSE(Changed());
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  ASSERT_EQ(table_->Check(), absl::OkStatus());
  ASSERT_EQ(table_->Remove(), absl::OkStatus());
  EXPECT_TRUE(Readable());
  EXPECT_FALSE(Changed());
  EXPECT_FALSE(Readable());
}

TEST_F(TableMonitorTest, OthersChangesToTheTableAre) {
  const OlderKernel older;
  for (const char* change : {
           "nft flush ruleset",
           "nft delete table inet sluice",
           "nft flush chain inet sluice guard",
           "nft add rule inet sluice ask accept",
           "nft add chain inet sluice more",
           "nft add set inet sluice more '{ type ipv4_addr; }'",
           "nft add table inet sluice '{ flags dormant; }'",
       }) {
    SCOPED_TRACE(change);
    ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
    EXPECT_FALSE(Changed());
    Shell(change);
    EXPECT_TRUE(Readable());
    EXPECT_TRUE(Changed());
    EXPECT_FALSE(Changed());
  }
}

TEST_F(TableMonitorTest, SaysWhoChangedIt) {
  const OlderKernel older;
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  const std::string process =
      Shell("nft flush chain inet sluice guard & echo $!; wait $!; nft add table inet theirs");
  EXPECT_EQ(monitor_->ChangedByOthers(table_->port_id()),
            "nft, process " + process.substr(0, process.find('\n')));
}

TEST_F(TableMonitorTest, OthersTablesAreNot) {
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  Shell(
      "nft add table ip sluice && nft add table inet sluice2 && nft add chain inet sluice2 sluice "
      "&& nft delete table ip sluice");
  EXPECT_TRUE(Readable());
  EXPECT_FALSE(Changed());
}

TEST_F(TableMonitorTest, AnotherAgentIsAnother) {
  const OlderKernel older;
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  auto other = Table::Open({});
  ASSERT_TRUE(other.ok());
  ASSERT_EQ((*other)->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_TRUE(Changed());
}

TEST_F(TableMonitorTest, LostNotificationsCountAsAChange) {
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_FALSE(Changed());
  // More notifications than the socket holds, none of them about our table.
  Shell(
      "for i in $(seq 10000); do echo add chain inet other c$i; done | "
      "(echo add table inet other; cat) | nft -f -");
  EXPECT_TRUE(Changed());
  EXPECT_FALSE(Changed());
  auto intact = table_->Intact();
  ASSERT_TRUE(intact.ok()) << intact.status();
  EXPECT_TRUE(*intact);
}

}  // namespace
}  // namespace sluice::agent
