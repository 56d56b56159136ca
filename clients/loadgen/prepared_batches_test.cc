#include "clients/loadgen/prepared_batches.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "proto/headers/packet_headers.h"

namespace sluice::loadgen {
namespace {

std::string Bytes(std::initializer_list<int> bytes) { return {bytes.begin(), bytes.end()}; }

TEST(PreparedBatchesTest, PacketsAreWellFormedAndDiffer) {
  std::set<std::string> payloads;
  for (uint32_t index = 0; index < 2000; ++index) {
    const v1::Packet packet = MakePacket(index);
    const std::string& bytes = packet.payload();
    payloads.insert(bytes);
    PacketHeaders parsed;
    ASSERT_EQ(ParseHeaders(v1::FAMILY_IPV4,
                           {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                           bytes.size(), parsed),
              Parsed::kPacket);
    // A header with its checksum sums up to all ones (RFC 1071).
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2) {
      sum += static_cast<uint8_t>(bytes[i]) << 8 | static_cast<uint8_t>(bytes[i + 1]);
    }
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
  }
  EXPECT_EQ(payloads.size(), 2000u);
  EXPECT_EQ(MakePacket(3).payload(), MakePacket(3 + 65'536).payload());
}

TEST(PreparedBatchesTest, HeadersAreTheDocumentedOnes) {
  const v1::Packet web = MakePacket(0x102);
  EXPECT_EQ(web.headers().source(), Bytes({10, 64, 1, 2}));
  EXPECT_EQ(web.headers().destination().substr(0, 3), Bytes({198, 51, 100}));
  EXPECT_EQ(web.headers().protocol(), 6u);
  EXPECT_EQ(web.headers().destination_port(), 443u);
  EXPECT_EQ(web.headers().tcp_flags(), 2u);
  EXPECT_GE(web.headers().source_port(), 1024u);
  const v1::Packet name = MakePacket(7);
  EXPECT_EQ(name.headers().protocol(), 17u);
  EXPECT_EQ(name.headers().destination_port(), 53u);
  EXPECT_EQ(name.original_length(), name.payload().size());
}

TEST(PreparedBatchesTest, EveryBatchHasItsOwnIds) {
  PreparedBatches batches(3);
  uint64_t id = 10;
  for (uint64_t number = 1; number < 1000; ++number) {
    const v1::PacketBatch& batch = batches.Next(number, id).packets();
    EXPECT_EQ(batch.batch(), number);
    EXPECT_EQ(batch.time_left().seconds(), 1);
    ASSERT_EQ(batch.packets_size(), 3);
    for (const v1::Packet& packet : batch.packets()) EXPECT_EQ(packet.transaction_id(), id++);
  }
}

TEST(PreparedBatchesTest, TheLargestBatchIsWithinWhatTheConversationAllows) {
  PreparedBatches batches(1024);
  EXPECT_LT(batches.Next(UINT64_MAX, UINT64_MAX - 1024).packets().ByteSizeLong(), 1u << 20);
}

}  // namespace
}  // namespace sluice::loadgen
