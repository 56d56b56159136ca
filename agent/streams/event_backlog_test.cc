#include "agent/streams/event_backlog.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

constexpr size_t kLimit = EventBacklog::kLimitAtLeast;

v1::Event Conntrack(uint32_t id, v1::EventType type = v1::EVENT_TYPE_NEW) {
  v1::Event event;
  event.mutable_conntrack()->set_type(type);
  event.mutable_conntrack()->mutable_flow()->set_id(id);
  return event;
}

v1::Event Gap(v1::GapCause cause, uint64_t lost_at_least = 0) {
  v1::Event event;
  event.mutable_gap()->set_cause(cause);
  event.mutable_gap()->set_lost_at_least(lost_at_least);
  return event;
}

v1::Event OfPacket(uint64_t suppressed = 0) {
  v1::Event event;
  event.mutable_packet()->set_suppressed(suppressed);
  return event;
}

v1::EventBatch Take(EventBacklog& backlog, size_t most) {
  v1::EventBatch batch;
  backlog.Take(most, *batch.mutable_events());
  return batch;
}

// An open backlog; the Gap that begins the stream has been taken out.
EventBacklog Followed(size_t limit = kLimit) {
  EventBacklog backlog(limit);
  backlog.Open();
  backlog.Post(Gap(v1::GAP_CAUSE_STREAM_START));
  EXPECT_EQ(Take(backlog, 10).events_size(), 1);
  return backlog;
}

void Fill(EventBacklog& backlog, size_t count = kLimit) {
  for (size_t i = 0; i < count; ++i) backlog.Post(Conntrack(static_cast<uint32_t>(i)));
}

TEST(EventBacklogTest, KeepsNothingWhileClosed) {
  EventBacklog backlog(kLimit);
  backlog.Post(Conntrack(1));
  backlog.Post(Gap(v1::GAP_CAUSE_KERNEL_OVERRUN));
  backlog.Post(OfPacket());
  EXPECT_TRUE(backlog.empty());
  backlog.Open();
  backlog.Post(OfPacket());
  EXPECT_FALSE(backlog.empty());
  backlog.Close();
  EXPECT_TRUE(backlog.empty());
  EXPECT_EQ(backlog.lost(), 0u);
  EXPECT_EQ(backlog.gaps(), 0u);
}

TEST(EventBacklogTest, ConntrackBeginsWithAGap) {
  EventBacklog backlog(kLimit);
  backlog.Open();
  // What a dump for the last stream still brings.
  backlog.Post(Conntrack(1, v1::EVENT_TYPE_SNAPSHOT));
  v1::Event done;
  done.mutable_resync_done()->set_connections(1);
  backlog.Post(done);
  backlog.Post(Conntrack(2));
  backlog.Post(OfPacket(3));
  backlog.Post(Gap(v1::GAP_CAUSE_STREAM_START));
  backlog.Post(Conntrack(4));

  const v1::EventBatch batch = Take(backlog, 10);
  ASSERT_EQ(batch.events_size(), 3);
  EXPECT_EQ(batch.events(0).packet().suppressed(), 3u);
  EXPECT_EQ(batch.events(1).gap().cause(), v1::GAP_CAUSE_STREAM_START);
  EXPECT_EQ(batch.events(1).gap().lost_at_least(), 0u);
  EXPECT_EQ(batch.events(2).conntrack().flow().id(), 4u);
  EXPECT_FALSE(backlog.TakeResyncRequest());
  EXPECT_EQ(backlog.lost(), 0u);
}

TEST(EventBacklogTest, KeepsOrderAndTakesNoMoreThanAsked) {
  EventBacklog backlog = Followed();
  Fill(backlog, 5);
  const v1::EventBatch first = Take(backlog, 3);
  const v1::EventBatch second = Take(backlog, 3);
  ASSERT_EQ(first.events_size(), 3);
  ASSERT_EQ(second.events_size(), 2);
  EXPECT_EQ(first.events(2).conntrack().flow().id(), 2u);
  EXPECT_EQ(second.events(0).conntrack().flow().id(), 3u);
  EXPECT_TRUE(backlog.empty());
}

TEST(EventBacklogTest, OverflowIsCountedAndToldByTheNextGap) {
  EventBacklog backlog = Followed();
  Fill(backlog);
  EXPECT_TRUE(backlog.congested());
  for (uint32_t i = 0; i < 5; ++i) backlog.Post(Conntrack(i, v1::EVENT_TYPE_UPDATE));
  // Not counted as an event: the next snapshot brings it again.
  backlog.Post(Conntrack(1, v1::EVENT_TYPE_SNAPSHOT));
  EXPECT_EQ(backlog.lost(), 5u);
  EXPECT_FALSE(backlog.TakeResyncRequest()) << "there is no room yet";

  Take(backlog, kLimit / 2);
  EXPECT_FALSE(backlog.congested());
  // There is room, but what follows means nothing before a Gap.
  backlog.Post(Conntrack(6));
  EXPECT_EQ(backlog.lost(), 6u);
  EXPECT_TRUE(backlog.TakeResyncRequest());
  EXPECT_FALSE(backlog.TakeResyncRequest()) << "once is enough";
  backlog.Post(Conntrack(7));
  backlog.Post(Gap(v1::GAP_CAUSE_BACKLOG_FULL));
  backlog.Post(Conntrack(8));

  Take(backlog, kLimit / 2);
  const v1::EventBatch batch = Take(backlog, 10);
  ASSERT_EQ(batch.events_size(), 2);
  EXPECT_EQ(batch.events(0).gap().cause(), v1::GAP_CAUSE_BACKLOG_FULL);
  EXPECT_EQ(batch.events(0).gap().lost_at_least(), 7u);
  EXPECT_EQ(batch.events(1).conntrack().flow().id(), 8u);
  EXPECT_EQ(backlog.lost(), 7u);
  EXPECT_EQ(backlog.gaps(), 1u);
}

TEST(EventBacklogTest, GapThatDoesNotFitIsAskedForAgain) {
  EventBacklog backlog = Followed();
  Fill(backlog);
  backlog.Post(Gap(v1::GAP_CAUSE_KERNEL_OVERRUN, 4));
  backlog.Post(Conntrack(1));
  Take(backlog, kLimit);
  EXPECT_TRUE(backlog.TakeResyncRequest());
  backlog.Post(Gap(v1::GAP_CAUSE_BACKLOG_FULL));
  const v1::EventBatch batch = Take(backlog, 10);
  ASSERT_EQ(batch.events_size(), 1);
  EXPECT_EQ(batch.events(0).gap().lost_at_least(), 5u);
}

TEST(EventBacklogTest, LostPacketEventsAreToldByTheNextOne) {
  EventBacklog backlog = Followed();
  Fill(backlog);
  backlog.Post(OfPacket());
  backlog.Post(OfPacket(10));
  EXPECT_EQ(backlog.lost(), 2u);
  Take(backlog, kLimit);
  EXPECT_FALSE(backlog.TakeResyncRequest()) << "a snapshot does not bring packet events back";
  backlog.Post(OfPacket(1));
  backlog.Post(OfPacket(1));
  const v1::EventBatch batch = Take(backlog, 10);
  ASSERT_EQ(batch.events_size(), 2);
  EXPECT_EQ(batch.events(0).packet().suppressed(), 13u);
  EXPECT_EQ(batch.events(1).packet().suppressed(), 1u);
}

TEST(EventBacklogTest, NextStreamStartsClean) {
  EventBacklog backlog = Followed();
  Fill(backlog, kLimit + 3);
  backlog.Close();
  backlog.Open();
  EXPECT_FALSE(backlog.TakeResyncRequest());
  backlog.Post(Gap(v1::GAP_CAUSE_STREAM_START));
  EXPECT_EQ(Take(backlog, 10).events(0).gap().lost_at_least(), 0u);
  EXPECT_EQ(backlog.lost(), 3u);
}

}  // namespace
}  // namespace sluice::agent
