#include "clients/cli/verbs/stat_totals.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

// Every counter other than every other, so that none can stand in for another.
constexpr char kQueue[] = R"pb(
  received: 2097151
  accepted: 1
  dropped: 2
  requeued: 4
  repeated: 8
  stale { dropped: 16 accepted: 32 }
  table_full { dropped: 64 accepted: 128 }
  no_decider { dropped: 256 accepted: 512 }
  family_unasked { dropped: 1024 accepted: 2048 }
  badsync { dropped: 4096 }
  malformed { dropped: 8192 }
  invalid_verdict { dropped: 16384 accepted: 32768 }
  send_failed { dropped: 65536 accepted: 131072 }
  flushed { dropped: 262144 }
  mode_off { accepted: 524288 }
  pending: 1048576
  kernel_queue_full: 5
  receive_overrun: 6
)pb";

v1::QueueStats Queue() {
  v1::QueueStats queue;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kQueue, &queue));
  return queue;
}

TEST(ScreenOf, ColumnsAddUpToPackets) {
  const ScreenTotals screen = ScreenOf(Queue());
  EXPECT_EQ(screen.packets, 2097151u + 5);
  EXPECT_EQ(screen.nobuffer, 5u + 64 + 128);
  EXPECT_EQ(screen.accept, 1u);
  EXPECT_EQ(screen.reject, 2u);
  EXPECT_EQ(screen.badsync, 4096u);
  EXPECT_EQ(screen.stale, 16u + 32);
  EXPECT_EQ(screen.queued, 1048576u);
  EXPECT_EQ(screen.packets, screen.nobuffer + screen.accept + screen.reject + screen.badsync +
                                screen.stale + screen.queued + screen.other);
}

TEST(AccountedFor, IsEveryCauseAndWhatWaits) {
  EXPECT_EQ(AccountedFor(Queue()), Queue().received());
  v1::QueueStats queue = Queue();
  queue.mutable_send_failed()->set_accepted(0);
  EXPECT_EQ(AccountedFor(queue), queue.received() - 131072);
}

TEST(Sum, AddsTheQueues) {
  v1::GatewayStats stats;
  *stats.add_queues() = Queue();
  *stats.add_queues() = Queue();
  stats.mutable_queues(1)->set_queue(7);
  const v1::QueueStats sum = Sum(stats);
  EXPECT_EQ(sum.received(), 2 * 2097151u);
  EXPECT_EQ(sum.stale().accepted(), 64u);
  EXPECT_EQ(sum.receive_overrun(), 12u);
  EXPECT_EQ(sum.queue(), 0u);
  EXPECT_FALSE(sum.has_hold_time());
  EXPECT_EQ(AccountedFor(sum), sum.received());
}

TEST(Sum, OfNoQueuesIsNothing) {
  EXPECT_EQ(AccountedFor(Sum({})), 0u);
  EXPECT_EQ(ScreenOf(Sum({})).packets, 0u);
}

// 100 were asked about since the agent began, 20 of them while nobody listened.
v1::GatewayStats Gateway() {
  v1::GatewayStats stats;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        asked: 1100
        asked_before: 1000
        unheard { dropped: 70 accepted: 5 }
        unheard_before { dropped: 50 accepted: 5 }
        queues {
          received: 38
          numbered: 40
          kernel_queue_full: 5
          kernel {}
        }
        queues {
          received: 30
          numbered: 30
          kernel {}
        }
      )pb",
      &stats));
  return stats;
}

TEST(Unheard, IsWhatTheTableCounted) {
  EXPECT_EQ(Unheard(Gateway()), 75u);
  EXPECT_EQ(Unheard(v1::GatewayStats()), std::nullopt);
}

TEST(LostByKernel, IsWhatNoCounterHas) {
  v1::GatewayStats stats = Gateway();
  EXPECT_EQ(LostByKernel(stats), 5u);
  stats.set_asked(1095);
  EXPECT_EQ(LostByKernel(stats), 0u);
  stats.set_asked(1090);  // Read before the queues.
  EXPECT_EQ(LostByKernel(stats), 0u);
}

TEST(LostByKernel, IsUnknownWhereCountersSayDifferentThings) {
  const auto with = [](auto&& change) {
    v1::GatewayStats stats = Gateway();
    change(stats);
    return LostByKernel(stats);
  };
  EXPECT_EQ(with([](auto& stats) { stats.clear_unheard(); }), std::nullopt);
  EXPECT_EQ(with([](auto& stats) { stats.mutable_queues(1)->set_segmented(true); }), std::nullopt);
  EXPECT_EQ(with([](auto& stats) { stats.mutable_queues(0)->set_requeued(1); }), std::nullopt);
  EXPECT_EQ(with([](auto& stats) { stats.mutable_queues(0)->clear_kernel(); }), std::nullopt);
  // Let pass, but perhaps numbered before.
  EXPECT_EQ(with([](auto& stats) { stats.mutable_unheard()->set_accepted(6); }), std::nullopt);
}

}  // namespace
}  // namespace sluice::cli
