#include "clients/cli/stat_totals.h"

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
  repeated_hook: 8
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

}  // namespace
}  // namespace sluice::cli
