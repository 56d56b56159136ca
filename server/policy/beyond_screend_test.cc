// What the language has beyond screend's.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

using policy::Icmp;
using policy::PacketOf;
using policy::Tcp;
using policy::Udp;

std::shared_ptr<const RuleSet> Compile(std::string_view text) {
  policy::FakeNames names;
  names.PushHost("mail", {"192.0.2.25", "192.0.2.26", "2001:db8::25"});
  names.PushService("smtp", "tcp", 25);
  RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  for (const v1::PolicyProblem& problem : compiled.problems) {
    ADD_FAILURE() << text << "\n" << problem.ShortDebugString();
  }
  return compiled.rules;
}

// Whether a policy of one accepting rule accepts the packet.
bool Accepts(const std::string& pair, const v1::Packet& packet) {
  const auto rules = Compile(pair + " accept;");
  return rules != nullptr && rules->Decide(packet).action == v1::ACTION_ACCEPT;
}

// None of the new words is a keyword: a legal screend file may have hosts with these names.
TEST(BeyondScreendTest, TakesNoWordFromScreend) {
  policy::FakeNames names;
  for (const char* name : {"set", "rule", "group", "group-not", "flags", "flags-not", "tcp-reset",
                           "host-unreachable", "within", "match"}) {
    names.PushHost(name, {"10.0.0.1"});
    names.PushNetwork(name, 0x0a000000);
    names.PushService(name, "tcp", 7);
    names.PushProtocol(name, 47);
    const std::string word = name;
    const RuleSet::Compiled compiled = RuleSet::Compile(
        "from host " + word + " to net-not " + word + " tcp port " + word +
            " reject notify log;between host " + word + " proto " + word + " and any accept;",
        names);
    EXPECT_TRUE(compiled.problems.empty()) << name;
    ASSERT_NE(compiled.rules, nullptr) << name;
    EXPECT_EQ(compiled.rules->Decide(Tcp("10.0.0.1", 1, "11.0.0.1", 7)).rule, 1u);
    EXPECT_EQ(compiled.rules->Decide(PacketOf("11.0.0.1", "10.0.0.1", 47)).rule, 3u);
  }
}

TEST(BeyondScreendTest, ListsRangesAndSets) {
  const std::string sets = "set few = {10.0.0.0/30, 2001:db8::/64, host mail}; set none = {}; ";
  const struct {
    const char* pair;
    v1::Packet packet;
    bool matches;
  } cases[] = {
      {"from {10.0.0.1, 10.0.0.3} to any", Udp("10.0.0.3", 1, "10.0.0.2", 2), true},
      {"from {10.0.0.1, 10.0.0.3} to any", Udp("10.0.0.2", 1, "10.0.0.3", 2), false},
      {"from host-not {10.0.0.1, mail} to any", Udp("10.0.0.2", 1, "10.0.0.3", 2), true},
      {"from host-not {10.0.0.1, mail} to any", Udp("192.0.2.26", 1, "10.0.0.3", 2), false},
      {"from not {10.0.0.1, ::/0} to any", Udp("10.0.0.1", 1, "10.0.0.3", 2), false},
      {"from not {10.0.0.1, ::/0} to any", Udp("10.0.0.2", 1, "10.0.0.3", 2), true},
      {"from @few to any", Udp("10.0.0.2", 1, "10.0.0.3", 2), true},
      {"from @few to any", Udp("192.0.2.25", 1, "10.0.0.3", 2), true},
      {"from @few to any", Udp("10.0.0.4", 1, "10.0.0.3", 2), false},
      {"from not @few to any", Udp("10.0.0.4", 1, "10.0.0.3", 2), true},
      {"from not @few to any", Udp("2001:db8::4", 1, "2001:db8::", 2), false},
      {"from @none to any", Udp("10.0.0.4", 1, "10.0.0.3", 2), false},
      {"from not @none to any", Udp("10.0.0.4", 1, "10.0.0.3", 2), true},
      {"from {@few, 10.0.0.4} to any", Udp("10.0.0.4", 1, "10.0.0.3", 2), true},
      {"from any to tcp port {smtp, 80, 8000-8080}", Tcp("10.0.0.4", 1, "10.0.0.3", 25), true},
      {"from any to tcp port {smtp, 80, 8000-8080}", Tcp("10.0.0.4", 1, "10.0.0.3", 8080), true},
      {"from any to tcp port {smtp, 80, 8000-8080}", Tcp("10.0.0.4", 1, "10.0.0.3", 8081), false},
      {"from any to tcp port-not {smtp, 80-90}", Tcp("10.0.0.4", 1, "10.0.0.3", 85), false},
      {"from any to tcp port-not {smtp, 80-90}", Tcp("10.0.0.4", 1, "10.0.0.3", 91), true},
      {"from any to udp port 0x50-90", Udp("10.0.0.4", 1, "10.0.0.3", 90), true},
      {"from any to icmp type {echo, unreachable}", Icmp("::1", "::2", 1), true},
      {"from any to icmp type-not {echo, infotype}", Icmp("::1", "::2", 129), false},
      {"from any to proto {6, 47}", PacketOf("::1", "::2", 47), true},
      {"from any to proto-not {6, 47}", PacketOf("::1", "::2", 47), false},
  };
  for (const auto& [pair, packet, matches] : cases) {
    EXPECT_EQ(Accepts(sets + pair, packet), matches) << pair << packet.ShortDebugString();
  }
}

TEST(BeyondScreendTest, GroupsOfInterfaces) {
  v1::Packet packet = Udp("10.0.0.1", 1, "10.0.0.2", 2);
  EXPECT_FALSE(Accepts("from group inside to any", packet)) << "no group is known, and not unknown";
  EXPECT_TRUE(Accepts("from group-not inside to any", packet));
  packet.set_input_group("inside");
  packet.set_output_group("outside");
  EXPECT_TRUE(Accepts("from group inside to group outside", packet));
  EXPECT_FALSE(Accepts("from group outside to group inside", packet));
  EXPECT_TRUE(Accepts("between group outside and group inside", packet));
  EXPECT_TRUE(
      Accepts("from group {guests, inside} 10.0.0.0/8 to group not guests udp port 2", packet));
  EXPECT_FALSE(Accepts("from group-not {guests, inside} to any", packet));
}

TEST(BeyondScreendTest, TcpFlags) {
  v1::Packet packet = Tcp("10.0.0.1", 1, "10.0.0.2", 25);
  EXPECT_FALSE(Accepts("from any to tcp flags syn/syn,ack", packet)) << "not known";
  EXPECT_FALSE(Accepts("from any to tcp flags-not syn/syn,ack", packet)) << "not known";
  packet.mutable_headers()->set_tcp_flags(2);  // SYN
  EXPECT_TRUE(Accepts("from any to tcp flags syn/syn,ack", packet));
  EXPECT_TRUE(Accepts("from any to tcp port 25 flags syn/syn, ack", packet));
  EXPECT_FALSE(Accepts("from any to tcp port 26 flags syn/syn,ack", packet));
  EXPECT_FALSE(Accepts("from any to tcp flags-not syn", packet));
  EXPECT_TRUE(Accepts("from any to tcp flags /ack,rst", packet));
  packet.mutable_headers()->set_tcp_flags(18);  // SYN, ACK
  EXPECT_FALSE(Accepts("from any to tcp flags syn/syn,ack", packet));
  EXPECT_TRUE(Accepts("from any to tcp flags syn,ack", packet));
  EXPECT_FALSE(Accepts("from any to tcp flags syn", Udp("10.0.0.1", 1, "10.0.0.2", 2)));
}

TEST(BeyondScreendTest, KindsOfNotice) {
  const struct {
    const char* kind;
    v1::Notify notify;
  } cases[] = {{"", v1::NOTIFY_HOST_UNREACHABLE},
               {" host-unreachable", v1::NOTIFY_HOST_UNREACHABLE},
               {" admin-prohibited", v1::NOTIFY_ADMIN_PROHIBITED},
               {" port-unreachable", v1::NOTIFY_PORT_UNREACHABLE},
               {" tcp-reset", v1::NOTIFY_TCP_RESET}};
  for (const auto& [kind, notify] : cases) {
    const auto rules = Compile(std::string("default reject notify") + kind + " log;");
    ASSERT_NE(rules, nullptr);
    EXPECT_EQ(rules->Decide({}).notify, notify) << kind;
  }
}

TEST(BeyondScreendTest, TheReasonSaysTheNameOfTheRule) {
  const auto rules = Compile(
      "\nrule \"mail, out\" from any to 10.0.0.1 reject;"
      "rule \"\xff\" between any and 10.0.0.2 reject;");
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->Decide(Udp("10.0.0.9", 1, "10.0.0.1", 2)).reason,
            "rule 1 \"mail, out\", line 2");
  EXPECT_EQ(rules->Decide(Udp("10.0.0.2", 1, "10.0.0.9", 2)).reason, "rule 3 \"\\xff\", line 2");
}

TEST(BeyondScreendTest, ASetOfHundredsOfThousandsOfPrefixes) {
  std::string prefixes;
  for (int i = 0; i < 500'000; ++i) {
    prefixes += std::to_string(1 + i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
                std::to_string(i % 256) + ".128/25\n";
  }
  policy::FakeNames names;
  names.PushFile("/blocked", prefixes);
  const auto rules = RuleSet::Compile(
                         "set blocked from \"/blocked\"; between @blocked and any reject;"
                         "from not @blocked to any tcp port 25 accept;",
                         names)
                         .rules;
  ASSERT_NE(rules, nullptr);
  EXPECT_LT(rules->memory(), size_t{64} << 20);
  EXPECT_EQ(rules->Decide(Tcp("1.2.3.128", 1, "192.0.2.1", 25)).rule, 1u);
  EXPECT_EQ(rules->Decide(Tcp("192.0.2.1", 1, "8.2.3.255", 25)).rule, 2u);
  EXPECT_EQ(rules->Decide(Tcp("1.2.3.127", 1, "192.0.2.1", 25)).rule, 3u);
}

}  // namespace
}  // namespace sluice::server
