#include "agent/packets/pending_table.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace sluice::agent {
namespace {

constexpr uint32_t kStream = 7;
constexpr size_t kBytes = 1 << 20;

PendingPacket Packet(uint32_t packet_id, int64_t deadline_ns, uint32_t stream = kStream) {
  PendingPacket packet;
  packet.packet_id = packet_id;
  packet.deadline_ns = deadline_ns;
  packet.stream = stream;
  return packet;
}

TEST(PendingTable, GivesIdsWithTheTagOnTopAndTakesOnce) {
  PendingTable table(3, 4, kBytes);
  const uint64_t first = table.Insert(Packet(11, 100));
  const uint64_t second = table.Insert(Packet(12, 100));
  EXPECT_EQ(first >> 56, 3u);
  EXPECT_NE(first, second);

  auto taken = table.Take(second, kStream);
  ASSERT_TRUE(taken.packet);
  EXPECT_EQ(taken.packet->packet_id, 12u);
  taken = table.Take(second, kStream);
  EXPECT_FALSE(taken.packet);
  EXPECT_EQ(taken.absent, PendingTable::Absent::kDuplicate);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.peak(), 2u);
}

TEST(PendingTable, SaysWhyThereIsNothingToTake) {
  PendingTable table(1, 4, kBytes);
  const uint64_t id = table.Insert(Packet(1, 100));
  EXPECT_EQ(table.Take(id + 1, kStream).absent, PendingTable::Absent::kUnknown);
  EXPECT_EQ(table.Take(0, kStream).absent, PendingTable::Absent::kUnknown);
  EXPECT_EQ(table.Take(id | uint64_t{9} << 56, kStream).absent, PendingTable::Absent::kUnknown);
  EXPECT_EQ(table.Take(id, kStream + 1).absent, PendingTable::Absent::kWrongOwner);
  EXPECT_EQ(table.size(), 1u) << "a stranger's answer must not free the packet";
  ASSERT_TRUE(table.TakeExpired(100));
  EXPECT_EQ(table.Take(id, kStream).absent, PendingTable::Absent::kLate);
}

TEST(PendingTable, ExpiresByDeadlineNotByArrival) {
  PendingTable table(0, 8, kBytes);
  table.Insert(Packet(1, 300));
  table.Insert(Packet(2, 100));
  table.Insert(Packet(3, 200));
  EXPECT_EQ(table.NextDeadline(), 100);
  EXPECT_FALSE(table.TakeExpired(99));
  EXPECT_EQ(table.TakeExpired(100)->packet_id, 2u);
  EXPECT_EQ(table.TakeExpired(1000)->packet_id, 3u);
  EXPECT_EQ(table.TakeAny()->packet_id, 1u);
  EXPECT_FALSE(table.TakeAny());
  EXPECT_FALSE(table.NextDeadline());
}

TEST(PendingTable, HeldPacketsKeepTheirSlotWhileOthersPass) {
  PendingTable table(0, 2, kBytes);
  const uint64_t held = table.Insert(Packet(1, 1'000'000));
  for (uint32_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(table.HasRoom(0));
    const uint64_t id = table.Insert(Packet(100 + i, 500));
    EXPECT_FALSE(table.HasRoom(0));
    ASSERT_TRUE(table.Take(id, kStream).packet);
  }
  ASSERT_TRUE(table.Find(held));
  EXPECT_EQ(table.Take(held, kStream).packet->packet_id, 1u);
}

TEST(PendingTable, DefersWithinTheLimitAndKeepsTheOrderOfDeadlines) {
  PendingTable table(0, 8, kBytes);
  const uint64_t first = table.Insert(Packet(1, 100));
  const uint64_t second = table.Insert(Packet(2, 100));
  table.Insert(Packet(3, 120));
  EXPECT_EQ(table.Defer(first, kStream, 500, 300), std::nullopt);
  EXPECT_EQ(table.Defer(second, kStream, 10, 300), std::nullopt);
  EXPECT_EQ(table.Defer(second, kStream + 1, 10, 300), PendingTable::Absent::kWrongOwner);
  EXPECT_EQ(table.Defer(second + 9, kStream, 10, 300), PendingTable::Absent::kUnknown);
  EXPECT_EQ(table.NextDeadline(), 110);
  EXPECT_EQ(table.TakeExpired(110)->packet_id, 2u);
  EXPECT_EQ(table.Defer(second, kStream, 10, 300), PendingTable::Absent::kLate);
  EXPECT_EQ(table.TakeExpired(299)->packet_id, 3u);
  EXPECT_FALSE(table.TakeExpired(299));
  EXPECT_EQ(table.TakeExpired(300)->packet_id, 1u);
}

TEST(PendingTable, ADeferredPacketNeverLosesTime) {
  PendingTable table(0, 8, kBytes);
  const uint64_t id = table.Insert(Packet(1, 100));
  EXPECT_EQ(table.Defer(id, kStream, 500, 50), std::nullopt);
  EXPECT_EQ(table.NextDeadline(), 100);
}

TEST(PendingTable, StrictOrderReachesPacketsOnHold) {
  PendingTable table(0, 8, kBytes);
  const uint64_t held = table.Insert(Packet(1, 100));
  EXPECT_EQ(table.Defer(held, kStream, 500, 1000), std::nullopt);
  const uint64_t answered = table.Insert(Packet(2, 100));
  EXPECT_EQ(table.TakeOlder(answered, kStream)->packet_id, 1u);
}

TEST(PendingTable, BoundsTheBytesButNeverRefusesASinglePacket) {
  PendingTable table(0, 8, 100);
  PendingPacket large = Packet(1, 100);
  large.bytes = 1000;
  EXPECT_TRUE(table.HasRoom(1000));
  const uint64_t id = table.Insert(std::move(large));
  EXPECT_EQ(table.bytes(), 1000u);
  EXPECT_FALSE(table.HasRoom(1));
  ASSERT_TRUE(table.Take(id, kStream).packet);
  EXPECT_EQ(table.bytes(), 0u);
}

TEST(PendingTable, ListsAllInOrderOfArrival) {
  PendingTable table(0, 8, kBytes);
  const uint64_t first = table.Insert(Packet(1, 300));
  const uint64_t second = table.Insert(Packet(2, 100));
  const uint64_t third = table.Insert(Packet(3, 200));
  EXPECT_EQ(table.Defer(second, kStream, 500, 1000), std::nullopt);
  EXPECT_EQ(table.Ids(), (std::vector<uint64_t>{first, second, third}));
}

TEST(PendingTable, TakesOlderOfOneStreamOnly) {
  PendingTable table(0, 8, kBytes);
  table.Insert(Packet(1, 100));
  table.Insert(Packet(2, 100, kStream + 1));
  table.Insert(Packet(3, 100));
  const uint64_t answered = table.Insert(Packet(4, 100));
  EXPECT_EQ(table.TakeOlder(answered, kStream)->packet_id, 1u);
  EXPECT_EQ(table.TakeOlder(answered, kStream)->packet_id, 3u);
  EXPECT_FALSE(table.TakeOlder(answered, kStream));
  EXPECT_EQ(table.size(), 2u);
}

}  // namespace
}  // namespace sluice::agent
