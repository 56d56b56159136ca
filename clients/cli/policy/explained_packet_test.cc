#include "clients/cli/policy/explained_packet.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::cli {
namespace {

PacketWords Words(const std::string& source, const std::string& destination,
                  const std::string& protocol = "", const std::string& port = "") {
  PacketWords words;
  words.source = source;
  words.destination = destination;
  words.protocol = protocol;
  words.port = port;
  return words;
}

std::string Shown(const PacketWords& words) {
  const absl::StatusOr<v1::ExplainPolicyRequest> request = ParsePacket(words);
  return request.ok() ? DescribePacket(request->packet()) : std::string(request.status().message());
}

TEST(ExplainedPacketTest, WhatIsNotSaidIsThatOfAFirstPacket) {
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "tcp", "80")),
            "tcp 10.0.0.1:49152 > 10.0.0.2:80 SYN, state new");
  EXPECT_EQ(Shown(Words("2001:db8::1", "::2", "udp", "53")),
            "udp [2001:db8::1]:49152 > [::2]:53, state new");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "icmp", "8")),
            "icmp 10.0.0.1 > 10.0.0.2 8/0, state new");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "gre")), "gre 10.0.0.1 > 10.0.0.2, state new");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2")), "253 10.0.0.1 > 10.0.0.2, state new");
}

TEST(ExplainedPacketTest, WhatIsSaid) {
  PacketWords words = Words("10.0.0.1", "10.0.0.2", "tcp", "80");
  words.source_port = "5";
  words.flags = "FIN,ack";
  words.state = "established";
  words.in_group = "inside";
  words.out_group = "outside";
  EXPECT_EQ(
      Shown(words),
      "tcp 10.0.0.1:5 > 10.0.0.2:80 FIN,ACK, state established, in by inside, out by outside");
  words.flags = "none";
  words.state = "unknown";
  const v1::Packet packet = ParsePacket(words)->packet();
  EXPECT_EQ(packet.headers().tcp_flags(), 0u);
  EXPECT_TRUE(packet.headers().has_tcp_flags());
  EXPECT_EQ(packet.connection_state(), v1::CONNECTION_STATE_UNSPECIFIED);
}

// The server looks up everything that a policy may have a name for.
TEST(ExplainedPacketTest, NamesAreLeftToTheServer) {
  PacketWords words = Words("mail", "10.0.0.2", "tcp", "smtp");
  words.source_port = "0x19";
  v1::PacketNames names = ParsePacket(words)->names();
  EXPECT_EQ(names.source(), "mail");
  EXPECT_EQ(names.destination(), "");
  EXPECT_EQ(names.destination_port(), "smtp");
  EXPECT_EQ(names.source_port(), "0x19");
  names = ParsePacket(Words("::1", "host.example", "hopopt"))->names();
  EXPECT_EQ(names.destination(), "host.example");
  EXPECT_EQ(names.protocol(), "hopopt");
  names = ParsePacket(Words("::1", "::2", "icmp", "packet-too-big"))->names();
  EXPECT_EQ(names.protocol(), "icmp");
  EXPECT_EQ(names.icmp_type(), "packet-too-big");
  names = ParsePacket(Words("10.0.0.1", "10.0.0.2", "icmp"))->names();
  EXPECT_EQ(names.icmp_type(), "echo");
}

TEST(ExplainedPacketTest, WhatIsNotSaidIsToldOf) {
  const auto not_told = [](const PacketWords& words) {
    const v1::ExplainPolicyRequest request = ParsePacket(words).value();
    std::vector<v1::PacketFact> facts;
    for (const int fact : request.not_told()) facts.push_back(static_cast<v1::PacketFact>(fact));
    return DescribeFacts(facts);
  };
  EXPECT_EQ(not_told(Words("10.0.0.1", "10.0.0.2", "tcp", "80")),
            "TCP flags (--flags), source port (--src-port), connection state (--state), "
            "input group (--in-group), output group (--out-group), "
            "bytes of the packet (see policy test)");
  EXPECT_EQ(not_told(Words("10.0.0.1", "10.0.0.2")).substr(0, 18), "protocol (PROTO), ");
  EXPECT_EQ(not_told(Words("10.0.0.1", "10.0.0.2", "icmp")).substr(0, 18), "ICMP type (PORT), ");
  PacketWords words = Words("10.0.0.1", "10.0.0.2", "tcp", "80");
  words.source_port = "1024";
  words.flags = "syn";
  words.state = "new";
  words.in_group = "";  // Given: an interface of no group.
  words.out_group = "outside";
  EXPECT_EQ(not_told(words), "bytes of the packet (see policy test)");
}

TEST(ExplainedPacketTest, WhatIsNotUnderstood) {
  EXPECT_NE(Shown(Words("10.0.0.300", "10.0.0.2")).find("'10.0.0.300' is not an address"),
            std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.0/8", "10.0.0.2")).find("is a network"), std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.1", "::2")).find("no packet has both"), std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.1", "10.0.0.2", "300", "80")).find("'300' is not a protocol"),
            std::string::npos);
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "udp")), "a destination port is missing: udp 443");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "tcp", "65536")),
            "'65536' is not a valid port: expected a number from 0 to 65535");
  EXPECT_NE(
      Shown(Words("10.0.0.1", "10.0.0.2", "icmp", "256")).find("'256' is not a valid ICMP type"),
      std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.1", "10.0.0.2", "gre", "1")).find("only tcp and udp have a port"),
            std::string::npos);
  PacketWords words = Words("10.0.0.1", "10.0.0.2", "tcp", "80");
  words.flags = "syn,sin";
  EXPECT_NE(Shown(words).find("'sin' is not a TCP flag"), std::string::npos);
  words.flags = "syn";
  words.state = "old";
  EXPECT_NE(Shown(words).find("'old' is not a state"), std::string::npos);
  words.state = "new";
  words.source_port = "-1";
  EXPECT_NE(Shown(words).find("'-1' is not a valid port"), std::string::npos);
}

}  // namespace
}  // namespace sluice::cli
