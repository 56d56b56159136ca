// `match`, from a policy's text to what a packet gets.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

RuleSet::Compiled Compile(const std::string& text) {
  policy::FakeNames names;
  return RuleSet::Compile(text, names);
}

// UDP from 10.0.0.1 port 4660 to 10.0.0.2 port 53, with a time to live of 64 and `copied` bytes
// copied.
v1::Packet Datagram(size_t copied) {
  static constexpr uint8_t kBytes[] = {0x45, 0,  0, 32, 0, 1,  0x40, 0,   64,  17,   0,
                                       0,    10, 0, 0,  1, 10, 0,    0,   2,   0x12, 0x34,
                                       0,    53, 0, 12, 0, 0,  'a',  'b', 'c', 'd'};
  v1::Packet packet = policy::Udp("10.0.0.1", 0x1234, "10.0.0.2", 53);
  packet.set_payload(kBytes, copied);
  packet.set_original_length(sizeof kBytes);
  return packet;
}

constexpr size_t kWhole = 32;

uint32_t RuleOf(const std::string& text, const v1::Packet& packet) {
  const RuleSet::Compiled compiled = Compile(text);
  EXPECT_NE(compiled.rules, nullptr) << text;
  return compiled.rules == nullptr ? 99 : compiled.rules->Decide(packet).rule;
}

TEST(MatchTest, TheExpressionDecidesTogetherWithTheRestOfTheRule) {
  for (const char* decision : {"accept", "reject"}) {
    const auto rule = [&](const std::string& rest) {
      return RuleOf("from " + rest + " " + decision + ";", Datagram(kWhole));
    };
    EXPECT_EQ(rule("any to any match \"ip[8] = 64\""), 1u);
    EXPECT_EQ(rule("any to any match \"ip[8] < 64\""), 0u);
    EXPECT_EQ(rule("any to any match \"udp[8:4] = 0x61626364 and len = 32\""), 1u);
    EXPECT_EQ(rule("10.0.0.1 to any udp port 53 match \"ip[8] = 64\""), 1u);
    EXPECT_EQ(rule("10.0.0.2 to any udp port 53 match \"ip[8] = 64\""), 0u);
    EXPECT_EQ(rule("any to any udp port 54 match \"ip[8] = 64\""), 0u);
    EXPECT_EQ(rule("any to any state new match \"ip[8] = 65\""), 0u);
  }
  // Both rules of a `between` have it; and the first of several that match decides.
  EXPECT_EQ(RuleOf("between 10.0.0.2 and any match \"udp\" accept;", Datagram(kWhole)), 2u);
  EXPECT_EQ(RuleOf("from any to any match \"tcp\" accept; from any to any match \"udp\" reject;"
                   "from any to any match \"ip\" accept;",
                   Datagram(kWhole)),
            2u);
}

// A mask with holes is confirmed together with the expression.
TEST(MatchTest, BesideAMaskWithHoles) {
  const std::string text =
      "for 10.0.0.0 netmask is 255.0.0.255; from subnet 10.0.0.1 to any match \"udp\" accept;";
  EXPECT_EQ(RuleOf(text, Datagram(kWhole)), 1u);
  v1::Packet other = Datagram(kWhole);
  *other.mutable_headers() = policy::Udp("10.0.0.3", 1, "10.0.0.2", 53).headers();
  EXPECT_EQ(RuleOf(text, other), 0u);
  // Without headers the addresses are not known, which does not make up for an expression that does
  // not match.
  other.clear_headers();
  EXPECT_EQ(RuleOf(text, other), 0u);
}

TEST(MatchTest, WhatWasNotCopiedCountsAgainstThePacket) {
  const std::string expression = "any to any match \"udp[8:4] = 0\"";
  const std::string accepts = "from " + expression + " accept;";
  const std::string rejects = "from " + expression + " reject;";
  // Known not to match.
  EXPECT_EQ(RuleOf(accepts, Datagram(kWhole)), 0u);
  EXPECT_EQ(RuleOf(rejects, Datagram(kWhole)), 0u);
  // Not known.
  for (const size_t copied : {0, 1, 9, 20, 28, 31}) {
    EXPECT_EQ(RuleOf(accepts, Datagram(copied)), 0u) << copied;
    EXPECT_EQ(RuleOf(rejects, Datagram(copied)), 1u) << copied;
  }
  // Bytes beyond this packet's real length.
  EXPECT_EQ(RuleOf("from any to any match \"ip[40] != 1\" reject;", Datagram(28)), 0u);
  // What is known is enough.
  EXPECT_EQ(RuleOf("from any to any match \"ip[8] = 64 or udp[8] = 0\" accept;", Datagram(20)), 1u);
  // Metadata only: not even the length is known.
  EXPECT_EQ(RuleOf("from any to any match \"len > 1\" accept;", v1::Packet()), 0u);
  EXPECT_EQ(RuleOf("from any to any match \"len > 1\" reject;", v1::Packet()), 1u);
}

TEST(MatchTest, AProblemIsAtTheExpression) {
  const RuleSet::Compiled compiled = Compile(
      "from any to any match \"tcp\" accept;\nfrom any to any match \"tcp prot 80\" accept;");
  ASSERT_EQ(compiled.rules, nullptr);
  ASSERT_EQ(compiled.problems.size(), 1u);
  EXPECT_EQ(compiled.problems[0].line(), 2u);
  EXPECT_EQ(compiled.problems[0].column(), 23u);
  EXPECT_NE(compiled.problems[0].message().find("`prot` would be looked up"), std::string::npos)
      << compiled.problems[0].message();
}

TEST(MatchTest, ManyRulesMayHaveTheSameExpressionButNotTooManyDifferentOnes) {
  std::string same, different;
  for (int i = 0; i < 20'000; ++i) {
    same += "from any to any match \"ip[8] = 64\" accept;\n";
    if (i < 5'000) {
      different += "from any to any match \"len = " + std::to_string(i) + "000000\" accept;\n";
    }
  }
  EXPECT_EQ(RuleOf(same, Datagram(kWhole)), 1u);
  const RuleSet::Compiled compiled = Compile(different);
  ASSERT_EQ(compiled.rules, nullptr);
  EXPECT_NE(compiled.problems.at(0).message().find("at most 65536 characters"), std::string::npos);
}

}  // namespace
}  // namespace sluice::server
