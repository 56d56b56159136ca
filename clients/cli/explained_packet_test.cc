#include "clients/cli/explained_packet.h"

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
  const absl::StatusOr<v1::Packet> packet = ParsePacket(words);
  return packet.ok() ? DescribePacket(*packet) : std::string(packet.status().message());
}

TEST(ExplainedPacketTest, WhatIsNotSaidIsThatOfAFirstPacket) {
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "tcp", "80")),
            "tcp 10.0.0.1:49152 > 10.0.0.2:80 SYN, state new");
  EXPECT_EQ(Shown(Words("2001:db8::1", "::2", "udp", "53")),
            "udp [2001:db8::1]:49152 > [::2]:53, state new");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "icmp")),
            "icmp 10.0.0.1 > 10.0.0.2 8/0, state new");
  EXPECT_EQ(Shown(Words("::1", "::2", "icmp", "echo")), "icmpv6 ::1 > ::2 128/0, state new");
  EXPECT_EQ(Shown(Words("::1", "::2", "icmp", "echo-reply")), "icmpv6 ::1 > ::2 129/0, state new");
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
  const v1::Packet packet = ParsePacket(words).value();
  EXPECT_EQ(packet.headers().tcp_flags(), 0u);
  EXPECT_TRUE(packet.headers().has_tcp_flags());
  EXPECT_EQ(packet.connection_state(), v1::CONNECTION_STATE_UNSPECIFIED);
}

TEST(ExplainedPacketTest, WhatIsNotUnderstood) {
  EXPECT_NE(Shown(Words("mail", "10.0.0.2")).find("'mail' is no address"), std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.0/8", "10.0.0.2")).find("is a network"), std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.1", "::2")).find("no packet has both"), std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.1", "10.0.0.2", "tpc", "80")).find("'tpc' is no protocol"),
            std::string::npos);
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "udp")), "a destination port is missing: udp 443");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "tcp", "http")),
            "'http' is no port: expected a number from 0 to 65535");
  EXPECT_EQ(Shown(Words("10.0.0.1", "10.0.0.2", "tcp", "65536")),
            "'65536' is no port: expected a number from 0 to 65535");
  EXPECT_NE(Shown(Words("10.0.0.1", "10.0.0.2", "icmp", "256")).find("'256' is no ICMP type"),
            std::string::npos);
  EXPECT_NE(Shown(Words("10.0.0.1", "10.0.0.2", "gre", "1")).find("only tcp, udp and icmp"),
            std::string::npos);
  PacketWords words = Words("10.0.0.1", "10.0.0.2", "tcp", "80");
  words.flags = "syn,sin";
  EXPECT_NE(Shown(words).find("'sin' is no TCP flag"), std::string::npos);
  words.flags = "syn";
  words.state = "old";
  EXPECT_NE(Shown(words).find("'old' is no state"), std::string::npos);
  words.state = "new";
  words.source_port = "-1";
  EXPECT_NE(Shown(words).find("'-1' is no port"), std::string::npos);
}

}  // namespace
}  // namespace sluice::cli
