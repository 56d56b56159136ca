#include "server/policy/engine/packet_view.h"

#include <gtest/gtest.h>

#include "server/policy/checker/test_packet.h"

namespace sluice::server::policy {
namespace {

constexpr int kUnknown = PacketView::kUnknown;

TEST(ViewPacketTest, ReadsWhatIsThere) {
  const PacketView view = ViewPacket(Tcp("10.0.0.1", 1024, "10.0.0.2", 80));
  EXPECT_EQ(view.address_size, 4u);
  EXPECT_EQ(view.source, ToWords(Address::IpV4(0x0a000001).bytes));
  EXPECT_EQ(view.destination, ToWords(Address::IpV4(0x0a000002).bytes));
  EXPECT_EQ(view.protocol, 6);
  EXPECT_EQ(view.source_port, 1024);
  EXPECT_EQ(view.destination_port, 80);
  EXPECT_EQ(view.icmp_type, kUnknown);

  const PacketView icmp = ViewPacket(Icmp("::1", "::2", 128));
  EXPECT_EQ(icmp.address_size, 16u);
  EXPECT_EQ(icmp.protocol, 58);
  EXPECT_EQ(icmp.icmp_type, 128);
  EXPECT_EQ(icmp.source_port, kUnknown);
}

TEST(ViewPacketTest, NothingIsKnownWithoutHeaders) {
  v1::Packet packet;
  packet.set_family(v1::FAMILY_IPV4);
  EXPECT_EQ(ViewPacket(packet).address_size, 0u);
  EXPECT_EQ(ViewPacket(packet).protocol, kUnknown);
  packet.mutable_headers()->set_protocol(6);  // the copy range ended in the IP header
  packet.mutable_headers()->set_cut_short(true);
  EXPECT_EQ(ViewPacket(packet).protocol, kUnknown);
}

TEST(ViewPacketTest, AbsentIsNotZero) {
  v1::Packet packet = PacketOf("2001:db8::1", "2001:db8::2", 0);
  EXPECT_EQ(ViewPacket(packet).protocol, 0);
  packet.mutable_headers()->clear_protocol();
  EXPECT_EQ(ViewPacket(packet).address_size, 16u);
  EXPECT_EQ(ViewPacket(packet).protocol, kUnknown);
  packet.mutable_headers()->clear_source();
  packet.mutable_headers()->clear_destination();
  EXPECT_EQ(ViewPacket(packet).address_size, 0u);
}

TEST(ViewPacketTest, ContradictionsAreNotBelieved) {
  v1::Packet packet = Tcp("10.0.0.1", 1, "10.0.0.2", 2);
  packet.set_family(v1::FAMILY_IPV6);
  EXPECT_EQ(ViewPacket(packet).address_size, 0u);
  packet.set_family(v1::FAMILY_UNSPECIFIED);
  EXPECT_EQ(ViewPacket(packet).address_size, 4u);
  packet.mutable_headers()->set_destination(std::string(16, 'x'));
  EXPECT_EQ(ViewPacket(packet).address_size, 0u);
  packet.mutable_headers()->set_source(std::string(1000, 'x'));
  packet.mutable_headers()->set_destination(std::string(1000, 'x'));
  EXPECT_EQ(ViewPacket(packet).address_size, 0u);
}

TEST(ViewPacketTest, NumbersBeyondTheirFieldAreNotKnown) {
  const PacketView view = ViewPacket(Tcp("10.0.0.1", 65536, "10.0.0.2", 0xffffffff));
  EXPECT_EQ(view.source_port, kUnknown);
  EXPECT_EQ(view.destination_port, kUnknown);
  EXPECT_EQ(ViewPacket(PacketOf("10.0.0.1", "10.0.0.2", 256)).protocol, kUnknown);
  EXPECT_EQ(ViewPacket(Icmp("10.0.0.1", "10.0.0.2", 256)).icmp_type, kUnknown);
}

TEST(ViewPacketTest, LaterFragmentsHaveNoPorts) {
  v1::Packet packet = Tcp("10.0.0.1", 1, "10.0.0.2", 2);
  packet.mutable_headers()->set_fragment_offset(1480);
  const PacketView view = ViewPacket(packet);
  EXPECT_EQ(view.protocol, 6);
  EXPECT_EQ(view.source_port, kUnknown);
  EXPECT_EQ(view.destination_port, kUnknown);
}

TEST(ViewPacketTest, FlagsAndGroups) {
  v1::Packet packet = Tcp("10.0.0.1", 1, "10.0.0.2", 2);
  EXPECT_EQ(ViewPacket(packet).tcp_flags, kUnknown);
  packet.mutable_headers()->set_tcp_flags(18);
  packet.set_input_group("inside");
  EXPECT_EQ(ViewPacket(packet).tcp_flags, 18);
  EXPECT_EQ(ViewPacket(packet).input_group, "inside");
  EXPECT_EQ(ViewPacket(packet).output_group, "");
  packet.mutable_headers()->set_tcp_flags(256);
  EXPECT_EQ(ViewPacket(packet).tcp_flags, kUnknown);
  packet.clear_headers();
  EXPECT_EQ(ViewPacket(packet).input_group, "inside");
}

TEST(ViewPacketTest, AnExtensionHeaderIsNoProtocol) {
  v1::Packet packet = PacketOf("::1", "::2", 60);
  packet.mutable_headers()->set_cut_short(true);
  EXPECT_EQ(ViewPacket(packet).protocol, kUnknown);
  packet.mutable_headers()->set_cut_short(false);
  packet.mutable_headers()->set_fragment_offset(8);
  EXPECT_EQ(ViewPacket(packet).protocol, kUnknown);
  // ESP, and protocols with the form of an extension header that Linux does not treat as one.
  for (const int protocol : {50, 135, 139, 140}) {
    packet.mutable_headers()->set_protocol(static_cast<uint32_t>(protocol));
    EXPECT_EQ(ViewPacket(packet).protocol, protocol);
  }
  v1::Packet ipv4 = PacketOf("10.0.0.1", "10.0.0.2", 51);
  ipv4.mutable_headers()->set_cut_short(true);
  EXPECT_EQ(ViewPacket(ipv4).protocol, 51);
}

}  // namespace
}  // namespace sluice::server::policy
