#include "agent/pending_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

namespace sluice::agent {
namespace {

constexpr uint32_t kStream = 7;

PendingPacket Packet(uint32_t packet_id, int64_t deadline_ns, uint32_t stream = kStream) {
  PendingPacket packet;
  packet.packet_id = packet_id;
  packet.deadline_ns = deadline_ns;
  packet.stream = stream;
  return packet;
}

TEST(PendingTable, GivesIdsWithTheTagOnTopAndTakesOnce) {
  PendingTable table(3, 4);
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
  PendingTable table(1, 4);
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
  PendingTable table(0, 8);
  table.Insert(Packet(1, 300));
  table.Insert(Packet(2, 100));
  table.Insert(Packet(3, 200));
  EXPECT_EQ(table.NextDeadline(), 100);
  EXPECT_FALSE(table.TakeExpired(99));
  EXPECT_EQ(table.TakeExpired(100)->packet_id, 2u);
  EXPECT_EQ(table.TakeExpired(1000)->packet_id, 3u);
  EXPECT_EQ(table.TakeOldest()->packet_id, 1u);
  EXPECT_FALSE(table.TakeOldest());
  EXPECT_FALSE(table.NextDeadline());
}

TEST(PendingTable, HeldPacketsKeepTheirSlotWhileOthersPass) {
  PendingTable table(0, 2);
  const uint64_t held = table.Insert(Packet(1, 1'000'000));
  for (uint32_t i = 0; i < 1000; ++i) {
    ASSERT_FALSE(table.Full());
    const uint64_t id = table.Insert(Packet(100 + i, 500));
    EXPECT_TRUE(table.Full());
    ASSERT_TRUE(table.Take(id, kStream).packet);
  }
  ASSERT_TRUE(table.Contains(held));
  EXPECT_EQ(table.Take(held, kStream).packet->packet_id, 1u);
}

TEST(PendingTable, TakesOlderOfOneStreamOnly) {
  PendingTable table(0, 8);
  table.Insert(Packet(1, 100));
  table.Insert(Packet(2, 100, kStream + 1));
  table.Insert(Packet(3, 100));
  const uint64_t answered = table.Insert(Packet(4, 100));
  EXPECT_EQ(table.TakeOlder(answered, kStream)->packet_id, 1u);
  EXPECT_EQ(table.TakeOlder(answered, kStream)->packet_id, 3u);
  EXPECT_FALSE(table.TakeOlder(answered, kStream));
  EXPECT_EQ(table.size(), 2u);
}

// The oracle: a map searched from end to end.
TEST(PendingTable, AgreesWithANaiveTableOnRandomWork) {
  std::minstd_rand random(20240601);
  constexpr size_t kCapacity = 16;
  PendingTable table(2, kCapacity);
  struct Known {
    uint32_t packet_id;
    int64_t deadline;
    uint32_t stream;
  };
  std::map<uint64_t, Known> naive;
  uint32_t next_packet = 0;
  for (int step = 0; step < 200'000; ++step) {
    const int64_t now = step;
    switch (random() % 4) {
      case 0:
      case 1: {
        ASSERT_EQ(table.Full(), naive.size() == kCapacity);
        if (table.Full()) break;
        const Known known{++next_packet, now + static_cast<int64_t>(random() % 100),
                          static_cast<uint32_t>(random() % 2)};
        naive.emplace(table.Insert(Packet(known.packet_id, known.deadline, known.stream)), known);
        break;
      }
      case 2: {
        if (naive.empty()) break;
        auto it = naive.begin();
        std::advance(it, random() % naive.size());
        const uint32_t stream = random() % 2;
        auto taken = table.Take(it->first, stream);
        ASSERT_EQ(taken.packet.has_value(), stream == it->second.stream);
        if (!taken.packet) {
          ASSERT_EQ(taken.absent, PendingTable::Absent::kWrongOwner);
          break;
        }
        ASSERT_EQ(taken.packet->packet_id, it->second.packet_id);
        naive.erase(it);
        break;
      }
      case 3: {
        while (auto expired = table.TakeExpired(now)) {
          const auto it = naive.find(expired->transaction_id);
          ASSERT_NE(it, naive.end());
          ASSERT_LE(it->second.deadline, now);
          naive.erase(it);
        }
        for (const auto& [id, known] : naive) ASSERT_GT(known.deadline, now);
        break;
      }
    }
    ASSERT_EQ(table.size(), naive.size());
  }
}

}  // namespace
}  // namespace sluice::agent
