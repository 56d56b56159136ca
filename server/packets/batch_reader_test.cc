#include "server/packets/batch_reader.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "sluice/v1/decision.pb.h"

namespace sluice::server {
namespace {

constexpr size_t kMost = 1024;

// Every field that an agent sets, numbers as large as they come.
v1::Packet Full() {
  v1::Packet packet;
  packet.set_transaction_id(UINT64_MAX);
  packet.set_family(v1::FAMILY_IPV6);
  packet.set_payload(std::string("\0\xff payload", 10));
  packet.set_original_length(UINT32_MAX);
  packet.set_arrival_time_ns(-1);
  packet.set_arrival_clock(v1::ARRIVAL_CLOCK_AGENT);
  packet.set_waited_us(300);
  packet.set_hook(v1::HOOK_FORWARD);
  packet.set_mark(UINT32_MAX);
  packet.set_input_interface("eth0");
  packet.set_output_interface("eth1");
  packet.set_input_ifindex(2);
  packet.set_output_ifindex(3);
  packet.set_physical_input_interface("port0");
  packet.set_physical_output_interface("port1");
  packet.set_input_group("inside");
  packet.set_output_group("outside");
  packet.set_hw_protocol(0x86dd);
  packet.set_hw_type(1);
  packet.set_hw_address("\x02\xff\xff\xff\xff\xff");
  packet.set_uid(0);
  packet.set_gid(UINT32_MAX);
  packet.set_priority(6);
  packet.set_skb_info(7);
  packet.set_gso(true);
  packet.set_vlan_tci(5);
  packet.set_vlan_protocol(0x8100);
  packet.set_l2_header("\xff\xff");
  packet.set_security_context("system_u:object_r:unlabeled_t:s0");
  packet.set_connection_state(v1::CONNECTION_STATE_NEW);
  v1::Headers& headers = *packet.mutable_headers();
  headers.set_source(std::string(16, '\xfe'));
  headers.set_destination(std::string(16, '\0'));
  headers.set_protocol(0);
  headers.set_source_port(0);
  headers.set_destination_port(UINT32_MAX);
  headers.set_tcp_flags(0x12);
  headers.set_icmp_type(128);
  headers.set_icmp_code(1);
  headers.set_icmp_id(65535);
  headers.set_fragment_offset(0);
  headers.set_more_fragments(true);
  headers.set_hop_limit(64);
  headers.set_traffic_class(255);
  headers.set_cut_short(true);
  return packet;
}

v1::DecideRequest BatchOf(const std::vector<v1::Packet>& packets) {
  v1::DecideRequest request;
  v1::PacketBatch& batch = *request.mutable_packets();
  batch.set_batch(7);
  batch.set_gateway("gw");
  batch.mutable_time_left()->set_seconds(1);
  batch.mutable_time_left()->set_nanos(500);
  for (const v1::Packet& packet : packets) *batch.add_packets() = packet;
  return request;
}

TEST(ReadBatchTest, ReadsTheSameAsProtobuf) {
  v1::Packet alone;
  alone.mutable_headers();
  const v1::DecideRequest request = BatchOf({Full(), v1::Packet(), alone});
  const std::string bytes = request.SerializeAsString();
  std::vector<PacketFields> packets(3);  // Of the batch before.
  const auto batch = ReadBatch(bytes, kMost, &packets);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->batch, 7u);
  EXPECT_EQ(batch->gateway, "gw");
  EXPECT_EQ(batch->packet_count, 3u);
  ASSERT_EQ(packets.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(packets[static_cast<size_t>(i)], request.packets().packets(i)) << i;
  }
  // Each number was read, and not another's.
  EXPECT_EQ(packets[0].headers.icmp_code, 1u);
  EXPECT_EQ(packets[0].headers.protocol, 0u);
  EXPECT_EQ(packets[1].headers.protocol, std::nullopt);
  EXPECT_TRUE(packets[2].has_headers);
}

// Each field alone, so that none hides behind another.
TEST(ReadBatchTest, ReadsEachFieldAlone) {
  const v1::Packet full = Full();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  full.GetReflection()->ListFields(full, &fields);
  ASSERT_EQ(fields.size(), static_cast<size_t>(v1::Packet::descriptor()->field_count()));
  for (const auto* field : fields) {
    v1::Packet packet = full;
    packet.GetReflection()->ClearField(&packet, field);
    const v1::DecideRequest request = BatchOf({packet});
    const std::string bytes = request.SerializeAsString();
    std::vector<PacketFields> packets;
    ASSERT_TRUE(ReadBatch(bytes, kMost, &packets)) << field->name();
    EXPECT_EQ(packets.at(0), packet) << field->name();
  }
  fields.clear();
  full.headers().GetReflection()->ListFields(full.headers(), &fields);
  ASSERT_EQ(fields.size(), static_cast<size_t>(v1::Headers::descriptor()->field_count()));
  for (const auto* field : fields) {
    v1::Packet packet = full;
    packet.mutable_headers()->GetReflection()->ClearField(packet.mutable_headers(), field);
    const v1::DecideRequest request = BatchOf({packet});
    const std::string bytes = request.SerializeAsString();
    std::vector<PacketFields> packets;
    ASSERT_TRUE(ReadBatch(bytes, kMost, &packets)) << field->name();
    EXPECT_EQ(packets.at(0), packet) << field->name();
  }
}

TEST(ReadBatchTest, LeavesOtherMessagesToProtobuf) {
  std::vector<PacketFields> packets;
  EXPECT_FALSE(ReadBatch("", kMost, &packets));
  v1::DecideRequest request;
  request.mutable_hello();
  EXPECT_FALSE(ReadBatch(request.SerializeAsString(), kMost, &packets));
  request.mutable_heartbeat();
  EXPECT_FALSE(ReadBatch(request.SerializeAsString(), kMost, &packets));
  request.mutable_errors();
  EXPECT_FALSE(ReadBatch(request.SerializeAsString(), kMost, &packets));
  // The last of several counts; protobuf knows which.
  EXPECT_FALSE(
      ReadBatch(BatchOf({}).SerializeAsString() + request.SerializeAsString(), kMost, &packets));
}

TEST(ReadBatchTest, LeavesWhatProtobufMergesToIt) {
  std::vector<PacketFields> packets;
  const std::string batch = BatchOf({Full()}).SerializeAsString();
  EXPECT_FALSE(ReadBatch(batch + batch, kMost, &packets));
  const std::string packet = Full().SerializeAsString() + Full().SerializeAsString();
  const auto field = [](char tag, const std::string& bytes) {
    const size_t size = bytes.size();
    return std::string{tag, static_cast<char>(size | 0x80), static_cast<char>(size >> 7)} + bytes;
  };
  const std::string twice = field('\x12', field('\x1a', packet));
  ASSERT_TRUE(v1::DecideRequest().ParseFromString(twice));
  EXPECT_FALSE(ReadBatch(twice, kMost, &packets));
}

TEST(ReadBatchTest, LeavesTextThatIsNotAsciiToProtobuf) {
  const std::vector<std::function<void(v1::Packet*)>> kTexts = {
      [](v1::Packet* packet) { packet->set_input_interface("é"); },
      [](v1::Packet* packet) { packet->set_output_interface("é"); },
      [](v1::Packet* packet) { packet->set_input_group("é"); },
      [](v1::Packet* packet) { packet->set_output_group("é"); },
      [](v1::Packet* packet) { packet->set_physical_input_interface("é"); },
      [](v1::Packet* packet) { packet->set_physical_output_interface("é"); },
      [](v1::Packet* packet) { packet->set_security_context("é"); },
  };
  std::vector<PacketFields> packets;
  for (const auto& set : kTexts) {
    v1::Packet packet;
    set(&packet);
    EXPECT_FALSE(ReadBatch(BatchOf({packet}).SerializeAsString(), kMost, &packets))
        << packet.ShortDebugString();
  }
  v1::DecideRequest request = BatchOf({});
  request.mutable_packets()->set_gateway("é");
  EXPECT_FALSE(ReadBatch(request.SerializeAsString(), kMost, &packets));
}

TEST(ReadBatchTest, LeavesHalvesToProtobuf) {
  const std::string bytes = BatchOf({Full()}).SerializeAsString();
  std::vector<PacketFields> packets;
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of its own, so that a byte too many is seen.
    const std::vector<char> half(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(ReadBatch({half.data(), half.size()}, kMost, &packets)) << size;
  }
}

TEST(ReadBatchTest, TakesNoNumberThatProtobufRefuses) {
  // A batch of one packet, whose bytes follow.
  const auto read = [](const std::string& packet) {
    const auto size = static_cast<char>(packet.size());
    const std::string bytes =
        std::string{'\x12', static_cast<char>(size + 2), '\x1a', size} + packet;
    std::vector<PacketFields> packets;
    const bool taken = ReadBatch(bytes, kMost, &packets).has_value();
    EXPECT_TRUE(!taken || v1::DecideRequest().ParseFromString(bytes));
    return taken;
  };
  const std::string more(8, '\xff');
  EXPECT_TRUE(read("\x08\xff" + more + "\x01"));                   // transaction_id, 64 bits
  EXPECT_FALSE(read("\x08\xff" + more + "\x02"));                  // 65 bits
  EXPECT_FALSE(read("\x08\xff" + more + "\xff\x01"));              // eleven bytes
  EXPECT_FALSE(read("\x20\xff\xff\xff\xff\x10"));                  // original_length, 33 bits
  EXPECT_FALSE(read("\x10\xff\xff\xff\xff\x0f"));                  // family, beyond an int32
  EXPECT_FALSE(read(std::string("\x00\x00", 2)));                  // field 0
  EXPECT_FALSE(read("\x0b"));                                      // a group
  EXPECT_FALSE(read(std::string("\x88\x80\x80\x80\x00\x01", 6)));  // a tag of five bytes
  EXPECT_FALSE(read(std::string("\x1a\x80\x80\x80\x80\x00", 6)));  // a length of five bytes
  EXPECT_TRUE(read(std::string("\xf9\x3f\x01\x02\x03\x04\x05\x06\x07\x08", 10)));  // not known
  EXPECT_TRUE(read("\x0d\x01\x02\x03\x04"));  // another type than the field's
}

TEST(ReadBatchTest, CountsPacketsBeyondTheMost) {
  const std::string bytes = BatchOf(std::vector<v1::Packet>(5)).SerializeAsString();
  std::vector<PacketFields> packets;
  const auto batch = ReadBatch(bytes, 3, &packets);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->packet_count, 5u);
  EXPECT_EQ(packets.size(), 3u);
}

}  // namespace
}  // namespace sluice::server
