#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/advice/warnings.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/policy_generator.h"
#include "server/policy/engine/matcher.h"
#include "server/policy/rule_set.h"

namespace sluice::server::policy {
namespace {

// LINE: FIRST WORD for each warning.
std::string WarningsOf(const std::string& text) {
  FakeNames names;
  names.PushFile("/blocked", "10.0.0.0/8\n");
  names.PushFile("/empty", "");
  const RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  EXPECT_NE(compiled.rules, nullptr) << text;
  std::string shown;
  for (const v1::PolicyProblem& warning : compiled.warnings) {
    absl::StrAppend(&shown, warning.line(), ": ",
                    warning.message().substr(0, warning.message().find_first_of(",:")), "\n");
  }
  return shown;
}

// What is said about the second of two rules.
std::string Second(const std::string& first, const std::string& second) {
  const std::string warnings = WarningsOf(first + "\n" + second);
  return warnings.starts_with("2: ") ? warnings.substr(3, warnings.size() - 4) : warnings;
}

TEST(UnreachableTest, SaysWhichRuleCoversAndWhatItDecides) {
  FakeNames names;
  const auto warnings = RuleSet::Compile(
                            "from net 10.0.0.0 to any accept;\n"
                            "rule \"no telnet\" from any to any tcp port {20-30} reject;\n"
                            "  from 10.1.0.0/16 to any accept;\n"
                            "from any to any tcp port 25 accept for connection;\n"
                            "from host 10.0.0.1 to any reject;\n",
                            names)
                            .warnings;
  ASSERT_EQ(warnings.size(), 3u);
  EXPECT_EQ(warnings[0].line(), 3u);
  EXPECT_EQ(warnings[0].column(), 3u);
  EXPECT_EQ(warnings[0].length(), 4u);
  EXPECT_EQ(warnings[0].message(),
            "redundant: rule 1, line 1, matches whatever this rule does, and decides the same");
  EXPECT_EQ(warnings[1].message(),
            "shadowed: rule 2 \"no telnet\", line 2, matches whatever this rule does, and decides "
            "otherwise");
  EXPECT_EQ(warnings[2].message(),
            "shadowed: rule 1, line 1, matches whatever this rule does, and decides otherwise, but "
            "for packets that do not show what is asked for");
}

TEST(UnreachableTest, KnowsWhatCoversWhat) {
  const struct {
    const char* wide;
    const char* narrow;
  } cases[] = {
      {"any to any", "any to any"},
      {"any to any", "group g host 10.0.0.1 tcp port 1 to proto 6"},
      {"10.0.0.0/8 to any", "{10.0.0.1, 10.1.0.0/16} to udp port 1"},
      {"{10.0.0.1, 10.0.0.2, ::/0} to any", "{10.0.0.2, ::1} to any"},
      {"not 10.0.0.0/8 to any", "{192.0.2.1, ::1} to any"},
      {"not 10.0.0.1 to any", "not 10.0.0.0/8 to any"},
      {"@blocked to any", "@blocked to tcp port 1"},
      {"{@blocked, 192.0.2.1} to any", "@blocked to any"},
      {"not @blocked to any", "not {@blocked, 192.0.2.1} to any"},
      {"@few to any", "10.0.0.1 to any"},
      {"any to tcp port {1-10, 11-20}", "any to tcp port {5-15, 20}"},
      {"any to tcp port-not 25", "any to tcp port {1, 80-90}"},
      {"any to tcp port-not 25", "any to tcp port-not {20-30}"},
      {"any to proto 6", "tcp port 25 to any"},
      {"any to proto {6, 17}", "any to udp port 1"},
      {"any to proto-not 1", "any to tcp flags syn"},
      {"any to tcp flags syn", "any to tcp flags syn,ack"},
      {"any to icmp type any", "any to icmp type echo"},
      {"any to proto 1", "10.0.0.1 to icmp type echo"},  // not ICMPv6
      {"any to any state {new, related}", "any to any state new"},
      {"any to any state-not invalid", "any to any state {new, established}"},
      {"group {g, h} to any", "group g to any"},
      {"group-not g to any", "group h to any"},
      {"group-not g to any", "group-not {g, h} to any"},
      {"any to any match \"tcp\"", "10.0.0.1 to any match \"tcp\""},
  };
  const std::string head = "set blocked from \"/blocked\"; set few = {10.0.0.0/30}; ";
  for (const auto& [wide, narrow] : cases) {
    const auto rule = [](const std::string& what, const char* decision) {
      return absl::StrCat("from ", what, " ", decision, ";");
    };
    for (const char* decision : {"accept", "reject"}) {
      EXPECT_EQ(Second(head + rule(wide, decision), rule(narrow, decision)), "redundant")
          << wide << " / " << narrow;
      EXPECT_EQ(Second(head + rule(narrow, decision), rule(wide, decision)),
                std::string_view(wide) == narrow ? "redundant" : "")
          << wide << " / " << narrow;
    }
    // A rule that rejects also takes what is unknown, so it covers one that accepts, but not the
    // other way around.
    EXPECT_EQ(Second(head + rule(wide, "reject"), rule(narrow, "accept")), "shadowed")
        << wide << " / " << narrow;
    EXPECT_EQ(Second(head + rule(wide, "accept"), rule(narrow, "reject")), "shadowed")
        << wide << " / " << narrow;
  }
}

TEST(UnreachableTest, ContradictionsInARule) {
  const struct {
    const char* rule;
    const char* accepts;
    const char* rejects;
  } cases[] = {
      {"host-not any to any", "this rule can never match", "this rule can never match"},
      {"any to tcp port-not any", "this rule can never match", "this rule can never match"},
      {"10.0.0.1 to ::1", "this rule can never match",
       "this rule only matches packets that do not show what it asks for"},
      {"any to any state-not {new, established, related, invalid}", "this rule can never match",
       "this rule only matches packets that do not show what it asks for"},
      {"tcp port 1 to udp port 1", "this rule can never match",
       "this rule only matches packets that do not show what it asks for"},
      {"tcp flags syn to tcp flags-not syn", "this rule can never match",
       "this rule only matches packets that do not show what it asks for"},
      {"::1 to any proto 51", "this rule can never match",
       "this rule only matches packets that do not show what it asks for"},
      {"10.0.0.1 to icmp type packet-too-big", "this rule can never match",
       "this rule only matches packets that do not show what it asks for"},
      // These may match.
      {"10.0.0.1 to {::1, 10.0.0.2}", "", ""},
      {"tcp flags syn to tcp flags ack", "", ""},
      {"tcp port 1 to proto 6", "", ""},
      {"not 0.0.0.0/0 to ::1", "", ""},
  };
  for (const auto& [rule, accepts, rejects] : cases) {
    EXPECT_EQ(Second("", absl::StrCat("from ", rule, " accept;")), accepts) << rule;
    EXPECT_EQ(Second("", absl::StrCat("from ", rule, " reject;")), rejects) << rule;
  }
}

TEST(UnreachableTest, SaysNothingOfWhatMayDecide) {
  for (const char* text : {
           "",
           "from any to any accept;",
           // Both halves are needed, or one of them.
           "between any and any accept;",
           "between host 10.0.0.1 and any tcp port 1 accept;",
           "from tcp port 1 to any accept; between any and tcp port 1 accept;",
           // Only the two together cover it.
           "from 0.0.0.0/1 to any accept; from 128.0.0.0/1 to any accept; from 0.0.0.0/0 to any "
           "accept;",
           // A watched file may change tomorrow.
           "set b from \"/blocked\"; from @b to any accept; from 10.0.0.1 to any accept;",
           "set b from \"/blocked\"; from 10.0.0.0/8 to any accept; from @b to any accept;",
           "set b from \"/blocked\"; from not @b to any accept; from 192.0.2.1 to any accept;",
           "set b from \"/blocked\"; from @b to ::1 accept;",
           "set b from \"/empty\"; from @b to ::1 accept; set c = {}; from @c to ::1 accept;",
           "from any to any match \"tcp\" accept; from any to any match \"udp\" accept;",
           "from any to any match \"tcp\" accept; from any to any accept;",
       }) {
    EXPECT_EQ(WarningsOf(text), "") << text;
  }
  EXPECT_EQ(WarningsOf("from any to any accept;\nbetween any and tcp port 1 reject;"),
            "2: shadowed\n");
}

// The packet shows everything that rules ask for.
bool ShowsAll(const v1::Packet& packet) {
  const PacketView view = ViewPacket(packet);
  if (view.address_size == 0 || view.state == 0 || packet.payload().empty() ||
      packet.payload().size() != packet.original_length()) {
    return false;
  }
  const bool ports =
      view.source_port != PacketView::kUnknown && view.destination_port != PacketView::kUnknown;
  switch (view.protocol) {
    case PacketView::kUnknown:
      return false;
    case 6:
      return ports && view.tcp_flags != PacketView::kUnknown;
    case 17:
      return ports;
    case 1:
    case 58:
      return view.icmp_type != PacketView::kUnknown;
    default:
      return true;
  }
}

// A rule with a warning decides no packet, or none that shows everything.
TEST(UnreachableTest, RulesWarnedOfDecideNothing) {
  size_t never = 0;
  size_t hardly = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    PolicyGenerator generator(seed, 2 + seed % 3);
    const CheckedPolicy policy = ReadGenerated(generator.Policy(40));
    const Classifier classifier(policy.rules);
    const Matcher matcher(policy.rules);
    Problems warnings;
    WarnOfUnreachable(policy, classifier, warnings);
    constexpr int kNever = 1;
    constexpr int kHardly = 2;
    std::vector<int> warned(policy.rules.size());
    for (const Problem& warning : std::move(warnings).Take()) {
      const bool shown = warning.message.find("packets that do not show") != std::string::npos;
      warned.at(warning.place.line - PolicyGenerator::kLinesBefore - 1) = shown ? kHardly : kNever;
      ++(shown ? hardly : never);
    }
    for (int i = 0; i < 500; ++i) {
      const v1::Packet packet = generator.Packet();
      const size_t rule = matcher.FirstMatch(ViewPacket(packet));
      if (rule == Matcher::kNone) continue;
      ASSERT_NE(warned[rule], kNever) << "seed " << seed << " rule " << rule << "\n"
                                      << packet.ShortDebugString();
      ASSERT_FALSE(warned[rule] == kHardly && ShowsAll(packet))
          << "seed " << seed << " rule " << rule << "\n"
          << packet.ShortDebugString();
    }
  }
  EXPECT_GT(never, 300u);
  EXPECT_GT(hardly, 100u);
}

}  // namespace
}  // namespace sluice::server::policy
