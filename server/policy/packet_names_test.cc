#include "server/policy/packet_names.h"

#include <gtest/gtest.h>

#include <string>

#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"

namespace sluice::server::policy {
namespace {

class PacketNamesTest : public testing::Test {
 protected:
  PacketNamesTest() {
    names_.PushHost("mail", {"192.0.2.25", "2001:db8::25"});
    names_.PushHost("six", {"2001:db8::6"});
    names_.PushService("domain", "udp", 53);
    names_.PushService("shell", "tcp", 514);
    names_.PushService("syslog", "udp", 514);
    names_.PushProtocol("gre", 47);
  }

  // What is wrong, if anything.
  std::string FillInWords() { return std::string(FillIn(words_, names_, &packet_).message()); }

  FakeNames names_;
  v1::PacketNames words_;
  v1::Packet packet_ = Udp("10.0.0.1", 1024, "10.0.0.2", 1);
};

TEST_F(PacketNamesTest, NoNamesChangeNothing) {
  const std::string before = packet_.SerializeAsString();
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.SerializeAsString(), before);
  EXPECT_TRUE(names_.Asked().empty());
}

TEST_F(PacketNamesTest, HostsAreOfTheOtherEndsFamily) {
  words_.set_destination("mail");
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.headers().destination(), std::string("\xc0\0\2\x19", 4));
  EXPECT_EQ(packet_.family(), v1::FAMILY_IPV4);
  words_.set_source("six");
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.family(), v1::FAMILY_IPV6);
  EXPECT_EQ(packet_.headers().source().size(), 16u);
  EXPECT_EQ(packet_.headers().destination().size(), 16u);
  words_.set_destination("0xc0000201");
  EXPECT_EQ(FillInWords(),
            "source and destination have no addresses of the same family: no packet has both");
  words_.set_source("nobody");
  EXPECT_EQ(FillInWords(), "no host `nobody`");
}

TEST_F(PacketNamesTest, PortsAreOfTheProtocol) {
  words_.set_destination_port("syslog");
  words_.set_source_port("0x35");
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.headers().destination_port(), 514u);
  EXPECT_EQ(packet_.headers().source_port(), 53u);
  words_.set_destination_port("shell");
  EXPECT_EQ(FillInWords(), "no service `shell/udp`");
  packet_.mutable_headers()->set_protocol(6);
  EXPECT_EQ(FillInWords(), "");
  packet_.mutable_headers()->set_protocol(132);
  EXPECT_EQ(FillInWords(), "only tcp and udp have names of ports");
}

TEST_F(PacketNamesTest, Protocols) {
  words_.set_protocol("gre");
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.headers().protocol(), 47u);
  words_.set_protocol("erg");
  EXPECT_EQ(FillInWords(), "no protocol `erg`");
}

TEST_F(PacketNamesTest, IcmpIsThatOfTheFamily) {
  words_.set_protocol("icmp");
  words_.set_icmp_type("Time-Exceeded");
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.headers().protocol(), 1u);
  EXPECT_EQ(packet_.headers().icmp_type(), 11u);
  packet_ = PacketOf("::1", "::2", 0);
  EXPECT_EQ(FillInWords(), "");
  EXPECT_EQ(packet_.headers().protocol(), 58u);
  EXPECT_EQ(packet_.headers().icmp_type(), 3u);
  words_.set_icmp_type("source-quench");
  EXPECT_EQ(FillInWords(), "ICMPv6 has no type `source-quench`");
  words_.set_icmp_type("ehco");
  EXPECT_NE(FillInWords().find("there is no ICMP type `ehco`"), std::string::npos);
}

}  // namespace
}  // namespace sluice::server::policy
