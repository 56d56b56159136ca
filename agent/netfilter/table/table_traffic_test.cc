// What the table does to packets, on a real kernel.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/queue/queue_listing.h"
#include "agent/netfilter/queue/queue_socket.h"
#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

class TableTrafficTest : public TableTestbed {
 protected:
  void SetUp() override {
    TableTestbed::SetUp();
    StartForwarding();
    SendThree();
    ASSERT_EQ(Received(), 3) << "the gateway must forward before there is a table";
  }

  void Install(const TableOptions& options, TableMode mode = TableMode::kOn) {
    auto table = Table::Open(options);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    ASSERT_EQ(table_->Install(mode), absl::OkStatus());
  }

  void SendThree() {
    SendIpv4(1);
    SendIpv4(2);
    SendIpv6();
  }

  void ExpectCounters(uint64_t asked, uint64_t guard_dropped) {
    auto counters = table_->ReadCounters();
    ASSERT_TRUE(counters.ok()) << counters.status();
    EXPECT_EQ(counters->asked, asked);
    EXPECT_EQ(counters->guard_dropped, guard_dropped);
  }
  void ExpectUnheard(uint64_t dropped, uint64_t accepted) {
    auto counters = table_->ReadCounters();
    ASSERT_TRUE(counters.ok()) << counters.status();
    EXPECT_EQ(counters->unheard_dropped, dropped);
    EXPECT_EQ(counters->unheard_accepted, accepted);
  }

  std::unique_ptr<Table> table_;
};

TEST_F(TableTrafficTest, ClosedDropsWithoutAListener) {
  Install({});
  ExpectCounters(0, 0);
  SendThree();
  EXPECT_EQ(Received(), 0);
  ExpectCounters(3, 0);
  ExpectUnheard(3, 0);
}

TEST_F(TableTrafficTest, WhatNobodyListensToIsCountedWithoutTrackingToo) {
  Install({.track_connections = false, .connection_mark_mask = 0});
  SendThree();
  EXPECT_EQ(Received(), 0);
  ExpectCounters(3, 0);
  ExpectUnheard(3, 0);
}

TEST_F(TableTrafficTest, WhatIsQueuedIsNotCountedAsUnheard) {
  auto queue = QueueSocket::Open({.receive_buffer = 1 << 20}, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  Install({.queue_count = 1});
  SendThree();
  VerdictBuffer verdicts(0);
  verdicts.Add(1, KernelVerdict::kAccept, AcceptMark(TableOptions().mark_mask, 0));
  verdicts.Add(2, KernelVerdict::kAccept, AcceptMark(TableOptions().mark_mask, 5));
  verdicts.Add(3, KernelVerdict::kAccept,
               DropMark(TableOptions().mark_mask, Notice::kHostUnreachable));
  ASSERT_EQ((*queue)->Send(verdicts), absl::OkStatus());
  EXPECT_EQ(Received(), 2);
  ExpectCounters(3, 0);
  ExpectUnheard(0, 0);
}

TEST_F(TableTrafficTest, OpenPassesWithoutAListener) {
  Install({.fail_open = true});
  SendThree();
  EXPECT_EQ(Received(), 3);
  ExpectCounters(3, 0);
  ExpectUnheard(0, 3);
}

TEST_F(TableTrafficTest, ShadowPassesWhatTheClosedTableDrops) {
  const OlderKernel older;
  Install({}, TableMode::kShadow);
  SendThree();
  EXPECT_EQ(Received(), 3);
  ExpectCounters(3, 0);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  ExpectCounters(3, 0);
  SendThree();
  EXPECT_EQ(Received(), 0);
  ExpectCounters(6, 0);
  Shell("nft flush chain inet sluice ask");  // The next packet is left to the guard.
  SendIpv4();
  ASSERT_EQ(table_->Install(TableMode::kShadow), absl::OkStatus());
  ExpectCounters(6, 1);
  SendThree();
  EXPECT_EQ(Received(), 3);
  ExpectCounters(9, 1);
}

TEST_F(TableTrafficTest, WhatIsQueuedStaysAsLongAsTheChainsDo) {
  const OlderKernel older;
  auto queue = QueueSocket::Open({.receive_buffer = 1 << 20}, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  const auto waiting = [] { return ReadQueueListing().at(0).waiting; };
  Install({});
  SendIpv4(1);
  ASSERT_EQ(table_->Install(TableMode::kShadow), absl::OkStatus());
  SendIpv4(2);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  SendIpv4(3);
  EXPECT_EQ(waiting(), 3u);
  ExpectCounters(3, 0);
  VerdictBuffer verdicts(0);
  for (uint32_t id = 1; id <= 3; ++id) {
    verdicts.Add(id, KernelVerdict::kAccept, DecidedBit(TableOptions().mark_mask));
  }
  ASSERT_EQ((*queue)->Send(verdicts), absl::OkStatus());
  EXPECT_EQ(Received(), 3);

  SendIpv4(1);
  Shell("nft flush chain inet sluice ask");
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_EQ(waiting(), 1u) << "rules that others took out are put back";
  SendIpv4(1);
  auto next = Table::Open({});
  ASSERT_EQ((*next)->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_EQ(waiting(), 2u) << "an agent takes over the table of the one before it";
  SendIpv4(1);
  EXPECT_EQ(waiting(), 3u);
  Shell("nft add chain inet sluice theirs");
  ASSERT_EQ((*next)->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_EQ(waiting(), 0u) << "the kernel's doing: the chains were replaced";
}

TEST_F(TableTrafficTest, WhatIsQueuedStaysWhenATableIsTakenOver) {
  auto queue = QueueSocket::Open({.receive_buffer = 1 << 20}, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  for (uint32_t waiting = 1; waiting <= 3; ++waiting) {
    table_ = nullptr;  // As if the agent had died.
    Install({});
    SendIpv4();
    EXPECT_EQ(ReadQueueListing().at(0).waiting, waiting);
  }
  table_ = nullptr;
  SendThree();
  EXPECT_EQ(Received(), 0) << "nobody's table holds";
}

TEST_F(TableTrafficTest, RemovedPassesAll) {
  Install({});
  SendThree();
  EXPECT_EQ(Received(), 0);
  ASSERT_EQ(table_->Remove(), absl::OkStatus());
  SendThree();
  EXPECT_EQ(Received(), 3);
  ExpectCounters(3, 0);
}

TEST_F(TableTrafficTest, GuardHoldsWhenTheChainThatAsksIsGone) {
  const OlderKernel older;
  Install({});
  Shell("nft flush chain inet sluice prepare && nft delete chain inet sluice prepare");
  SendThree();
  EXPECT_EQ(Received(), 0);
  ExpectCounters(0, 3);
}

TEST_F(TableTrafficTest, GuardHoldsWithoutItsRules) {
  const OlderKernel older;
  Install({});
  Shell("nft flush chain inet sluice guard && nft insert rule inet sluice ask accept");
  SendThree();
  EXPECT_EQ(Received(), 0);
  ASSERT_EQ(table_->Install(TableMode::kShadow), absl::OkStatus());
  Shell("nft flush chain inet sluice guard && nft insert rule inet sluice ask accept");
  SendThree();
  EXPECT_EQ(Received(), 3) << "where everything passes there is nothing to hold";
}

TEST_F(TableTrafficTest, GuardHoldsWhenOthersPutAnAcceptFirst) {
  const OlderKernel older;
  Install({});
  Shell(
      "nft insert rule inet sluice ask accept && nft add table ip first && nft add chain ip first "
      "fw '{ type filter hook forward priority -300; }' && nft add rule ip first fw accept");
  SendThree();
  EXPECT_EQ(Received(), 0);
  ExpectCounters(0, 3);
}

TEST_F(TableTrafficTest, NobodyComesInDecided) {
  const OlderKernel older;
  Install({});
  Shell(
      "nft flush chain inet sluice ask && nft add table inet first && nft add chain inet first pre "
      "'{ type filter hook prerouting priority -300; }' && "
      "nft add rule inet first pre meta mark set 0x01000007");
  SendThree();
  EXPECT_EQ(Received(), 0);
  ExpectCounters(0, 3);
  // Without the chain that clears it, the mark lets the packets pass.
  Shell("nft flush chain inet sluice prepare");
  SendThree();
  EXPECT_EQ(Received(), 3);
}

TEST_F(TableTrafficTest, OthersNeverSeeOurMarkBitsAndTheirsStay) {
  Shell(
      "nft add table inet their && "
      "nft add chain inet their pre '{ type filter hook prerouting priority -150; }' && "
      "nft add rule inet their pre meta mark set 0xff000007 && "
      "nft add chain inet their fw '{ type filter hook forward priority -153; }' && "
      "nft add rule inet their fw 'meta mark == 0x00000007 counter'");
  const auto seen = [] { return Shell("nft list chain inet their fw"); };
  Install({.fail_open = true});  // Nobody listens: these pass undecided, with their state.
  SendThree();
  EXPECT_EQ(Received(), 3);
  EXPECT_THAT(seen(), ::testing::HasSubstr("counter packets 3 "));
  Install({.exempt = {{.protocol = 17}}});  // These pass decided.
  SendThree();
  EXPECT_EQ(Received(), 3);
  EXPECT_THAT(seen(), ::testing::HasSubstr("counter packets 6 "));
  auto queue = QueueSocket::Open({.receive_buffer = 1 << 20}, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  Install({});
  SendThree();
  VerdictBuffer verdicts(0);
  for (uint32_t id = 1; id <= 3; ++id) {
    verdicts.Add(id, KernelVerdict::kAccept, AcceptMark(TableOptions().mark_mask, 5) | 7);
  }
  ASSERT_EQ((*queue)->Send(verdicts), absl::OkStatus());
  EXPECT_EQ(Received(), 3);
  EXPECT_THAT(seen(), ::testing::HasSubstr("counter packets 9 "));
}

TEST_F(TableTrafficTest, WithoutTheRuleThatSaysSoTheGuardStillDrops) {
  const OlderKernel older;
  Install({});
  Shell("nft flush chain inet sluice ask");  // Nobody decides.
  Shell(
      "nft delete rule inet sluice guard handle "
      "$(nft -a list chain inet sluice guard | sed -n '/fail_mode closed/s/.*handle //p')");
  EXPECT_THAT(Shell("nft list chain inet sluice guard"),
              ::testing::Not(::testing::HasSubstr("fail_mode closed")));
  SendThree();
  EXPECT_EQ(Received(), 0);
}

TEST_F(TableTrafficTest, CountersGoOnOverReplacement) {
  const OlderKernel older;
  Install({});
  SendThree();
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());  // Counters not read before.
  ExpectCounters(3, 0);
  SendThree();
  ExpectCounters(6, 0);
  ASSERT_EQ(table_->Remove(), absl::OkStatus());
  ExpectCounters(6, 0);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  Shell("nft flush chain inet sluice ask");
  SendThree();
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  ExpectCounters(6, 3);
  SendThree();
  ExpectCounters(9, 3);
}

TEST_F(TableTrafficTest, CountersGoOnWithTheNextAgent) {
  const IpNetwork exempt = {.address = {198, 51, 100, 2}, .prefix_length = 32};
  const TableOptions options = {.exempt = {{.source = exempt}}};
  Install(options);
  SendThree();
  for (uint64_t agents = 1; agents <= 3; ++agents) {
    const uint64_t before = 3 * agents - 2;  // Groups of three, one exempt.
    table_ = nullptr;
    SendThree();
    auto table = Table::Open(options);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    ASSERT_EQ(table_->Found().value_or(std::nullopt), TableState(TableMode::kOn));
    EXPECT_EQ(table_->counters_before().asked, 2 * (before + 1));
    EXPECT_EQ(table_->counters_before().unheard_dropped, 2 * (before + 1));
    SendThree();  // Only the rules notice these.
    ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
    SendThree();
    ExpectCounters(2 * (before + 3), 0);
    ExpectUnheard(2 * (before + 3), 0);
    EXPECT_EQ(table_->ReadCounters()->exempted, before + 3);
    EXPECT_EQ(table_->counters_before().asked, 2 * (before + 1));
  }
  ASSERT_EQ(table_->Remove(), absl::OkStatus());
  ExpectCounters(20, 0);
}

// So the reading before the table is removed is final.
TEST_F(TableTrafficTest, NothingIsCountedOnceItStopsAsking) {
  const IpNetwork exempt = {.address = {198, 51, 100, 2}, .prefix_length = 32};
  Install({.exempt = {{.source = exempt}}});
  SendThree();
  EXPECT_EQ(Received(), 1);
  ASSERT_EQ(table_->StopAsking(), absl::OkStatus());
  // A mark that looks like a drop is not ours, so the packets pass.
  Shell(
      "nft add table inet their;"
      "nft add chain inet their pre '{ type filter hook prerouting priority 0; }';"
      "nft add rule inet their pre meta mark set 0x80000000");
  for (int i = 0; i < 2; ++i) {
    SendThree();
    EXPECT_EQ(Received(), 3);
    ExpectCounters(2, 0);
    ExpectUnheard(2, 0);
    EXPECT_EQ(table_->ReadCounters()->exempted, 1u);
    ASSERT_EQ(table_->Remove(), absl::OkStatus());
  }
}

TEST_F(TableTrafficTest, ReplacementUnderTrafficLeavesNoGap) {
  Install({});
  constexpr uint64_t kInstalled = 50;
  std::atomic<bool> done{false};
  std::thread replacer([&] {
    for (uint64_t i = 0; i < kInstalled; ++i)
      EXPECT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
    done = true;
  });
  uint64_t sent = 0;
  for (; !done; ++sent) SendIpv4(static_cast<uint8_t>(sent));
  replacer.join();
  EXPECT_EQ(Received(), 0);
  auto counters = table_->ReadCounters();
  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_EQ(counters->asked + counters->guard_dropped, sent);
}

TEST_F(TableTrafficTest, CountersGoOnWhenOthersResetOrFlush) {
  const OlderKernel older;
  Install({});
  SendThree();
  ExpectCounters(3, 0);
  // What was read before a flush is kept.
  Shell("nft flush ruleset");
  ExpectCounters(3, 0);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  SendIpv4();
  ExpectCounters(4, 0);
  // The counters of a table that others made are not ours.
  auto other = Table::Open({});
  ASSERT_TRUE(other.ok());
  ASSERT_EQ((*other)->Remove(), absl::OkStatus());
  ASSERT_EQ((*other)->Install(TableMode::kOn), absl::OkStatus());
  SendThree();
  ExpectCounters(4, 0);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  ExpectCounters(4, 0);
}

}  // namespace
}  // namespace sluice::agent
