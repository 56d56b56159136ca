#include "agent/packets/packet_outbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::agent {
namespace {

constexpr uint32_t kStream = 1;

class PacketOutboxTest : public testing::Test {
 protected:
  uint64_t Add(int64_t deadline_ns = 1000, uint32_t bytes = 100) {
    PendingPacket packet;
    packet.stream = kStream;
    packet.deadline_ns = deadline_ns;
    packet.bytes = bytes;
    packet.message = std::make_unique<v1::Packet>();
    const uint64_t id = pending_.Insert(std::move(packet));
    outbox_.Add(id);
    return id;
  }
  // Ids of the next batch, which is then sent.
  std::vector<uint64_t> Next(int64_t now_ns = 0, int64_t travel_ns = 0) {
    std::vector<uint64_t> ids;
    if (v1::PacketBatch* batch = outbox_.Next(now_ns, travel_ns, pending_)) {
      for (const v1::Packet& packet : batch->packets()) ids.push_back(packet.transaction_id());
      outbox_.Sent();
    }
    return ids;
  }

  PendingTable pending_{0, 8192, size_t{1} << 30};
  PacketOutbox outbox_;
};

TEST_F(PacketOutboxTest, LendsTheMessagesAndGivesThemBack) {
  const uint64_t id = Add();
  EXPECT_EQ(Next(), std::vector<uint64_t>{id});
  EXPECT_EQ(Next(), std::vector<uint64_t>());
  ASSERT_NE(pending_.Find(id), nullptr);
  EXPECT_EQ(pending_.Find(id)->message->transaction_id(), id);
}

TEST_F(PacketOutboxTest, SaysWhoseMessagesWereSent) {
  const uint64_t id = Add();
  Add(50);
  ASSERT_NE(outbox_.Next(60, 0, pending_), nullptr);
  ASSERT_EQ(outbox_.Sent(), std::vector<PendingPacket*>{pending_.Find(id)});
}

TEST_F(PacketOutboxTest, ShowsAPackedPacketAsItWas) {
  const uint64_t id = Add();
  ASSERT_EQ(Next().size(), 1u);
  PendingPacket& packet = *pending_.Find(id);
  packet.message->set_payload(std::string(300, 'x'));
  const v1::Packet before = *packet.message;
  packet.packed = PackedMessage(*packet.message);
  packet.message.reset();
  outbox_.Add(id);
  v1::PacketBatch* batch = outbox_.Next(0, 0, pending_);
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->packets_size(), 1);
  EXPECT_EQ(batch->packets(0).SerializeAsString(), before.SerializeAsString());
  outbox_.Sent();
}

TEST_F(PacketOutboxTest, ABatchHas1024PacketsAtMost) {
  for (int i = 0; i < 1500; ++i) Add();
  EXPECT_EQ(Next().size(), 1024u);
  EXPECT_EQ(Next().size(), 476u);
}

TEST_F(PacketOutboxTest, ABatchHasAMebibyteAtMostButForASinglePacket) {
  Add(1000, 2 << 20);
  for (int i = 0; i < 20; ++i) Add(1000, 65'000);
  EXPECT_EQ(Next().size(), 1u);
  EXPECT_EQ(Next().size(), 16u);
  EXPECT_EQ(Next().size(), 4u);
}

TEST_F(PacketOutboxTest, LeavesOutWhatIsGoneOrTooLate) {
  const uint64_t gone = Add();
  Add(50);
  const uint64_t last = Add(100);
  pending_.Take(gone, kStream);
  EXPECT_EQ(Next(20, 30), std::vector<uint64_t>{last});
  EXPECT_EQ(pending_.size(), 2u) << "what is too late still gets its fallback at its deadline";
}

TEST_F(PacketOutboxTest, SaysHowMuchTimeTheFirstToExpireHas) {
  Add(2'000'000'100);
  Add(1'500'000'100);
  v1::PacketBatch* batch = outbox_.Next(60, 40, pending_);
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->time_left().seconds(), 1);
  EXPECT_EQ(batch->time_left().nanos(), 500'000'000);
  outbox_.Sent();
}

TEST_F(PacketOutboxTest, KeepsItsOrderHoweverLongItIsNeverEmpty) {
  uint64_t expected = Add();
  for (int turn = 0; turn < 100; ++turn) {
    std::vector<uint64_t> added;
    for (int i = 0; i < 1024; ++i) added.push_back(Add());
    std::vector<uint64_t> sent = Next();
    ASSERT_EQ(sent.size(), 1024u);
    EXPECT_EQ(sent.front(), expected);
    expected = added.back();
    for (const uint64_t id : sent) ASSERT_TRUE(pending_.Take(id, kStream).packet);
  }
}

}  // namespace
}  // namespace sluice::agent
