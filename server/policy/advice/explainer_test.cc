#include "server/policy/advice/explainer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/policy/checker/checker.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/policy_generator.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/engine/classifier.h"
#include "server/policy/language/parser.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

v1::Packet Syn() {
  v1::Packet packet = Tcp("10.0.0.1", 49152, "10.0.0.2", 80);
  packet.mutable_headers()->set_tcp_flags(2);
  packet.set_input_group("inside");
  packet.set_connection_state(v1::CONNECTION_STATE_NEW);
  return packet;
}

// "3: what; what" for each rule in the explanation; then "+2" for the number of others.
std::string Shown(const std::string& text, const v1::Packet& packet, bool all = true) {
  FakeNames names;
  names.PushHost("mail", {"192.0.2.25"});
  names.PushService("smtp", "tcp", 25);
  Problems problems;
  const Syntax syntax = Parse(text, problems);
  const CheckedPolicy policy = Check(syntax, names, problems);
  for (const Problem& problem : std::move(problems).Take()) ADD_FAILURE() << problem.message;
  const Explanation explanation = Explain(syntax, policy, ViewPacket(packet), all);
  std::string shown;
  for (const ConsideredRule& rule : explanation.considered) {
    absl::StrAppend(&shown, rule.rule + 1, ": ",
                    rule.mismatches.empty() ? "matches" : absl::StrJoin(rule.mismatches, "; "),
                    "\n");
  }
  if (explanation.others > 0) absl::StrAppend(&shown, "+", explanation.others, "\n");
  return shown;
}

TEST(ExplainerTest, EachMismatchInWords) {
  const struct {
    std::string rule;
    std::string mismatches;
  } cases[] = {
      {"from any to any accept;", "matches"},
      {"from any to any tcp port 25 accept;", "destination port 80 is not 25"},
      {"from any to any tcp port smtp accept;", "destination port 80 is not smtp"},
      {"from any tcp port {25, 1-7} to any accept;", "source port 49152 is not {25, 1-7}"},
      {"from any to any tcp port {1, 2, 3, 4, 5, 6} accept;",
       "destination port 80 is not {1, 2, 3, 4 and 2 more}"},
      {"from any to any tcp port-not 80 accept;", "destination port 80 is left out by not 80"},
      {"from any to any udp port 80 accept;", "protocol tcp is not udp"},
      {"from udp port 1 to udp port 80 accept;", "protocol tcp is not udp"},
      {"from any to any proto {17, 47} accept;", "protocol tcp is not {17, 47}"},
      {"from any to any proto-not 6 accept;", "protocol tcp is left out by not 6"},
      {"from any to any proto-not any accept;", "the rule matches no protocol, port or type"},
      {"from any to any icmp type echo accept;", "protocol tcp is not icmp"},
      {"from any to tcp flags ack accept;", "TCP flags syn are not ack"},
      {"from any to tcp flags-not syn/syn,ack accept;",
       "TCP flags syn are left out by not syn/syn,ack"},
      {"from any to tcp port 25 flags ack accept;",
       "TCP flags syn are not ack; destination port 80 is not 25"},
      {"from host mail to any accept;", "source 10.0.0.1 is not mail"},
      {"from 192.0.2.1 to any accept;", "source 10.0.0.1 is not 192.0.2.1"},
      {"from 192.0.2.0/24 to any accept;", "source 10.0.0.1 is not in 192.0.2.0/24"},
      {"from any to net 192.0.2.0 accept;", "destination 10.0.0.2 is not in 192.0.2.0"},
      {"from not 10.0.0.0/8 to any accept;", "source 10.0.0.1 is left out by not 10.0.0.0/8"},
      {"set s = {192.0.2.1}; from @s to {@s, 10.0.0.2} accept;", "source 10.0.0.1 is not in @s"},
      {"set s = {192.0.2.1}; from any to {@s, 10.0.0.3} accept;",
       "destination 10.0.0.2 is not in {@s, 10.0.0.3}"},
      {"from host-not any to any accept;", "the rule matches no source"},
      {"from group guests to any accept;", "input group inside is not guests"},
      {"from group-not {inside, guests} to any accept;",
       "input group inside is left out by not {inside, guests}"},
      {"from any to group outside accept;", "output group (none) is not outside"},
      {"from any to any state established accept;", "connection state new is not established"},
      {"from any to any state-not {new, related} accept;",
       "connection state new is left out by not {new, related}"},
      {"from any to any match \"ip[8] < 5\" accept;",
       "what match \"ip[8] < 5\" looks at is not known, which counts against the packet"},
      {"from 192.0.2.1 to 192.0.2.2 udp port 1 state related accept;",
       "source 10.0.0.1 is not 192.0.2.1; destination 10.0.0.2 is not 192.0.2.2; "
       "protocol tcp is not udp; connection state new is not related"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(Shown(c.rule, Syn()), absl::StrCat("1: ", c.mismatches, "\n"));
  EXPECT_EQ(Shown("from any to any icmp type echo accept;", Icmp("::1", "::2", 3)),
            "1: ICMP type 3 is not echo\n");
  EXPECT_EQ(Shown("from any to any icmp type echo accept;", Icmp("::1", "::2", 128)),
            "1: matches\n");
  v1::Packet bytes = Syn();
  bytes.set_payload(std::string(1, '\x45') + std::string(39, '\0'));
  bytes.set_original_length(40);
  EXPECT_EQ(Shown("from any to any match \"ip[8] = 5\" accept;", bytes),
            "1: the packet's bytes do not match \"ip[8] = 5\"\n");
}

TEST(ExplainerTest, WhatIsNotKnownCountsAgainstThePacket) {
  const std::string rules =
      "from 10.0.0.1 to any accept; from any tcp port 25 to any accept;"
      "from any to tcp flags syn accept; from any to any icmp type echo accept;"
      "from any to any state new accept;";
  EXPECT_EQ(Shown(rules, v1::Packet()),
            "1: source is not known, which counts against the packet\n"
            "2: protocol is not known, which counts against the packet\n"
            "3: protocol is not known, which counts against the packet\n"
            "4: protocol is not known, which counts against the packet\n"
            "5: connection state is not known, which counts against the packet\n");
  EXPECT_EQ(Shown(rules, PacketOf("10.0.0.9", "10.0.0.2", 6)),
            "1: source 10.0.0.9 is not 10.0.0.1\n"
            "2: source port is not known, which counts against the packet\n"
            "3: TCP flags are not known, which counts against the packet\n"
            "4: protocol tcp is not icmp\n"
            "5: connection state is not known, which counts against the packet\n");
  EXPECT_EQ(Shown("from any tcp port 25 to any reject;", PacketOf("10.0.0.9", "10.0.0.2", 6)),
            "1: matches\n");
}

TEST(ExplainerTest, TellsOfRulesThatNearlyMatchUpToTheOneThatDecides) {
  const std::string rules =
      "from 192.0.2.1 to any udp port 1 accept;"           // two things
      "between 10.0.0.1 and 10.0.0.2 tcp port 25 accept;"  // one thing; the other way three
      "from 10.0.0.1 to any tcp port 80 accept;"
      "from any to any reject;";
  EXPECT_EQ(Shown(rules, Syn(), false), "2: destination port 80 is not 25\n4: matches\n+2\n");
  EXPECT_EQ(Shown(rules, Syn(), true),
            "1: source 10.0.0.1 is not 192.0.2.1; protocol tcp is not udp\n"
            "2: destination port 80 is not 25\n"
            "3: source 10.0.0.1 is not 10.0.0.2; source port 49152 is not 25; "
            "destination 10.0.0.2 is not 10.0.0.1\n"
            "4: matches\n");
  EXPECT_EQ(Shown("from any to any udp port 1 accept;", Syn(), false),
            "1: protocol tcp is not udp\n");
  EXPECT_EQ(Shown("", Syn()), "");
}

TEST(ExplainerTest, TellsOfSoManyRulesAndAlwaysOfTheOneThatDecides) {
  std::string rules;
  for (size_t i = 0; i < kMostConsidered + 5; ++i) rules += "from any to any udp port 1 accept;\n";
  rules += "from any to any accept;";
  const std::string shown = Shown(rules, Syn());
  EXPECT_TRUE(shown.ends_with("10006: matches\n+5\n")) << shown.substr(shown.size() - 100);
}

// "3 on 1,8; " for each rule in the explanation that hinges on facts with these numbers.
std::string Hinges(const std::string& text, const v1::Packet& packet, FactSet not_told) {
  FakeNames names;
  Problems problems;
  const Syntax syntax = Parse(text, problems);
  const CheckedPolicy policy = Check(syntax, names, problems);
  const Explanation explanation = Explain(syntax, policy, ViewPacket(packet), false, not_told);
  std::string shown;
  for (const ConsideredRule& rule : explanation.considered) {
    std::vector<int> facts;
    for (int fact = 0; fact <= v1::PacketFact_MAX; ++fact) {
      if ((rule.hinges_on >> fact & 1) != 0) facts.push_back(fact);
    }
    if (facts.empty()) continue;
    absl::StrAppend(&shown, rule.rule + 1, " on ", absl::StrJoin(facts, ","), "; ");
  }
  return shown;
}

TEST(ExplainerTest, WhatWasNotToldMayDecide) {
  const v1::Packet packet = Tcp("10.0.0.1", 49152, "10.0.0.2", 80);
  const FactSet groups = Bit(v1::PACKET_FACT_INPUT_GROUP) | Bit(v1::PACKET_FACT_OUTPUT_GROUP);
  const FactSet all = ~Bit(v1::PACKET_FACT_UNSPECIFIED);
  const std::string inside = "from group inside to group outside tcp port 80 accept;";
  EXPECT_EQ(Hinges(inside, packet, 0), "");
  EXPECT_EQ(Hinges(inside, packet, groups), "1 on 1,2; ");
  EXPECT_EQ(Hinges(inside, packet, Bit(v1::PACKET_FACT_INPUT_GROUP)), "");  // The other is told.
  // Something that is told keeps the rule from matching, whatever the group.
  EXPECT_EQ(Hinges("from group inside to any tcp port 25 accept;", packet, groups), "");
  EXPECT_EQ(Hinges("from group inside 10.0.0.9 to any accept;", packet, groups), "");
  // A rule that matches because of it, and rules that do not look at it.
  EXPECT_EQ(Hinges("from group-not inside to any accept; from any to group x reject;", packet, all),
            "1 on 1; ");
  EXPECT_EQ(Hinges("from any to any accept;", packet, all), "");
  const struct {
    const char* rule;
    const char* hinges;
  } each[] = {
      {"from any to any udp port 53 reject;", "1 on 3; "},
      {"from any to any proto 47 reject;", "1 on 3; "},
      {"from tcp port 25 to any accept;", "1 on 4; "},
      {"from any to any tcp port 25 accept;", "1 on 5; "},
      {"from any to tcp flags ack accept;", "1 on 6; "},
      {"from any to any state established accept;", "1 on 8; "},
      {"from any to any match \"len > 60\" accept;", "1 on 9; "},
  };
  for (const auto& e : each) EXPECT_EQ(Hinges(e.rule, packet, all), e.hinges) << e.rule;
  EXPECT_EQ(Hinges("from any to any icmp type 3 accept;", Icmp("10.0.0.1", "10.0.0.2", 8), all),
            "1 on 7; ");
}

// Explanations go by the rules as they are written; this compares them with the classifier. The
// seeds are fixed, so that what fails once fails again.
TEST(ExplainerTest, NamesTheRuleTheClassifierFinds) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    PolicyGenerator generator(seed, 4);
    const std::string text = generator.Policy(seed % 12);
    const CheckedPolicy policy = ReadGenerated(text);
    Problems problems;
    const Syntax syntax = Parse(text, problems);
    const Classifier classifier(policy.rules);
    for (int i = 0; i < 100; ++i) {
      const v1::Packet packet = generator.Packet();
      const PacketView view = ViewPacket(packet);
      const Explanation explanation = Explain(syntax, policy, view, true);
      ASSERT_EQ(explanation.others, 0u);
      const bool decided =
          !explanation.considered.empty() && explanation.considered.back().mismatches.empty();
      ASSERT_EQ(decided ? explanation.considered.back().rule : Classifier::kNone,
                classifier.FirstMatch(view))
          << "seed " << seed << "\n"
          << text << packet.ShortDebugString();
    }
  }
}

}  // namespace
}  // namespace sluice::server::policy
