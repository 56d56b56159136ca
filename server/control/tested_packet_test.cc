#include "server/control/tested_packet.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice::server {
namespace {

std::shared_ptr<const RuleSet> Rules(const std::string& text) {
  RuleSet::Compiled compiled = RuleSet::Compile(text);
  EXPECT_TRUE(compiled.problems.empty()) << compiled.problems[0].message();
  return compiled.rules;
}

// TCP from 10.0.0.1 port 1024 to 10.0.0.2 port 80, syn.
constexpr uint8_t kSyn[] = {0x45, 0, 0,  40, 0,    0, 0x40, 0,    64, 6,  0, 0, 10, 0,
                            0,    1, 10, 0,  0,    2, 4,    0,    0,  80, 0, 0, 0,  0,
                            0,    0, 0,  0,  0x50, 2, 0xff, 0xff, 0,  0,  0, 0};

v1::Packet Syn(size_t copied = sizeof kSyn) {
  v1::Packet packet;
  packet.set_payload(kSyn, copied);
  return packet;
}

TEST(TestedPacketTest, HeadersAreReadAsAnAgentReadsThem) {
  const auto rules = Rules("rule \"web\" from any to any tcp port 80 flags syn accept log;");
  v1::Packet packet = Syn();
  const auto result = TestPacket(*rules, &packet);
  EXPECT_EQ(result.ruling().action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(result.ruling().rule(), 1u);
  EXPECT_EQ(result.ruling().reason(), "rule 1 \"web\", line 1");
  EXPECT_TRUE(result.ruling().logged());
  EXPECT_EQ(result.family(), v1::FAMILY_IPV4);
  EXPECT_EQ(result.headers().source(), std::string("\x0a\0\0\1", 4));
  EXPECT_EQ(result.headers().source_port(), 1024u);
  EXPECT_EQ(result.headers().tcp_flags(), 2u);
}

TEST(TestedPacketTest, HeadersThatAreSaidAreKept) {
  const auto rules = Rules("from any to any tcp port 443 accept;");
  v1::Packet packet = Syn();
  packet.mutable_headers()->set_source("\x0a\x01\x01\x01");
  packet.mutable_headers()->set_destination("\x0a\x01\x01\x02");
  packet.mutable_headers()->set_protocol(6);
  packet.mutable_headers()->set_source_port(1);
  packet.mutable_headers()->set_destination_port(443);
  const auto result = TestPacket(*rules, &packet);
  EXPECT_EQ(result.ruling().action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(result.headers().destination_port(), 443u);
}

TEST(TestedPacketTest, WhatWasNotCapturedIsNotKnown) {
  const auto rules = Rules("from any to any tcp port 25 reject; default accept;");
  v1::Packet packet = Syn(20);
  packet.set_original_length(40);
  EXPECT_EQ(TestPacket(*rules, &packet).ruling().rule(), 1u);
  packet = Syn();
  EXPECT_EQ(TestPacket(*rules, &packet).ruling().action(), v1::ACTION_ACCEPT);
}

TEST(TestedPacketTest, WhatAnAgentWouldNotAskAboutIsDropped) {
  const auto rules = Rules("default accept;");
  for (const size_t copied : {1, 19, 39}) {  // The packet itself is not longer.
    v1::Packet packet = Syn(copied);
    const auto result = TestPacket(*rules, &packet);
    EXPECT_EQ(result.ruling().action(), v1::ACTION_DROP) << copied;
    EXPECT_EQ(result.ruling().rule(), 0u);
    EXPECT_EQ(result.ruling().reason(), "malformed: a gateway drops it without asking");
  }
  v1::Packet other_family = Syn();
  other_family.set_family(v1::FAMILY_IPV6);
  EXPECT_EQ(TestPacket(*rules, &other_family).ruling().action(), v1::ACTION_DROP);
}

TEST(TestedPacketTest, PaddingIsNoPartOfThePacket) {
  const auto rules = Rules("from any to any match \"len = 40\" accept;");
  v1::Packet packet = Syn();
  packet.mutable_payload()->append(6, '\0');
  EXPECT_EQ(TestPacket(*rules, &packet).ruling().action(), v1::ACTION_ACCEPT);
  packet = Syn();
  packet.set_original_length(46);
  EXPECT_EQ(TestPacket(*rules, &packet).ruling().action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(packet.payload().size(), 40u);
}

TEST(TestedPacketTest, NoBytesAreMetadataOnly) {
  const auto rules = Rules("from any to any tcp port 25 reject; default accept;");
  v1::Packet packet;
  const auto result = TestPacket(*rules, &packet);
  EXPECT_EQ(result.ruling().rule(), 1u);
  EXPECT_FALSE(result.has_headers());
}

}  // namespace
}  // namespace sluice::server
