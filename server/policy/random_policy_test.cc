// Policies that nobody would write. The seeds are fixed, so that what fails once fails again.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

using Random = std::mt19937;

size_t Below(Random& random, size_t bound) { return random() % bound; }

template <typename Values>
std::string Pick(Random& random, const Values& values) {
  return std::string(values[Below(random, std::size(values))]);
}

policy::FakeNames SomeNames() {
  policy::FakeNames names;
  names.PushHost("mail", {"10.0.0.2", "2001:db8::2"});
  names.PushService("smtp", "tcp", 25);
  names.PushProtocol("gre", 47);
  names.PushProtocol("tcp", 6);
  return names;
}

std::string RandomObject(Random& random) {
  static constexpr const char* kAddresses[] = {
      "any",          "host 10.0.0.1",        "host-not 10.0.0.1", "host mail",
      "host-not any", "net 10.0.0.0",         "net-not 10.0.0.0",  "subnet 128.1.1.0",
      "10.0.0.0/30",  "subnet-not 128.1.1.0", "2001:db8::/126",    "2001:db8::1",
      "@some",        "not {@some, ::1}",     "group inside",      "{10.0.0.1, host mail}",
      "net any"};
  static constexpr const char* kTransports[] = {"tcp port 25",
                                                "tcp port-not 25",
                                                "tcp port reserved",
                                                "udp port any",
                                                "udp port 53",
                                                "icmp type echo",
                                                "icmp type-not echo",
                                                "icmp type infotype",
                                                "proto gre",
                                                "proto-not 6",
                                                "tcp port smtp",
                                                "tcp port xserver",
                                                "tcp flags syn/syn,ack",
                                                "udp port {53, 1000-2000}",
                                                "proto {tcp, 47}"};
  const size_t form = Below(random, 3);
  if (form == 0) return Pick(random, kAddresses);
  if (form == 1) return Pick(random, kTransports);
  return Pick(random, kAddresses) + " " + Pick(random, kTransports);
}

std::string RandomState(Random& random) {
  static constexpr const char* kStates[] = {
      "", "", "", "state new ", "state-not new ", "state {established, related} "};
  return Pick(random, kStates);
}

std::string RandomDecision(Random& random) {
  static constexpr const char* kDecisions[] = {"accept",
                                               "accept log",
                                               "reject",
                                               "reject notify",
                                               "reject log",
                                               "reject log notify",
                                               "reject notify tcp-reset",
                                               "accept for connection",
                                               "reject for 60s log",
                                               "reject from source for 5m",
                                               "ask \"av\" within 20ms else accept",
                                               "ask \"av\" within 1s else reject log"};
  return Pick(random, kDecisions);
}

constexpr std::string_view kMask =
    "for 128.1.0.0 netmask is 255.255.255.0; set some = {10.0.0.0/31, 2001:db8::/64};\n"
    "decider \"av\" at \"192.0.2.7:9000\";\n";

std::string RandomPolicy(Random& random) {
  std::string text(kMask);
  for (size_t rules = Below(random, 12); rules > 0; --rules) {
    text += Below(random, 2) == 0
                ? "from " + RandomObject(random) + " to " + RandomObject(random)
                : "between " + RandomObject(random) + " and " + RandomObject(random);
    text += " " + RandomState(random) + RandomDecision(random) + "; # rule\n";
  }
  if (Below(random, 2) == 0) text += "default " + RandomDecision(random) + ";\n";
  return text;
}

v1::Packet RandomPacket(Random& random) {
  static constexpr const char* kIpV4[] = {"10.0.0.1",  "10.0.0.2",  "10.9.9.9",
                                          "128.1.1.7", "128.1.2.7", "192.0.2.1"};
  static constexpr const char* kIpV6[] = {"2001:db8::1", "2001:db8::2", "2001:db8::9", "::1"};
  static constexpr uint32_t kProtocols[] = {1, 6, 17, 47, 58};
  static constexpr uint32_t kPorts[] = {0, 25, 53, 1023, 1024, 6000, 65535};
  static constexpr uint32_t kTypes[] = {0, 3, 8, 13, 128, 129};
  const auto pick = [&](const auto& values) { return values[Below(random, std::size(values))]; };
  v1::Packet packet = Below(random, 2) == 0
                          ? policy::PacketOf(pick(kIpV4), pick(kIpV4), pick(kProtocols))
                          : policy::PacketOf(pick(kIpV6), pick(kIpV6), pick(kProtocols));
  if (Below(random, 8) != 0) packet = policy::Ports(packet, pick(kPorts), pick(kPorts));
  if (Below(random, 8) != 0) packet.mutable_headers()->set_icmp_type(pick(kTypes));
  if (Below(random, 8) != 0) packet.mutable_headers()->set_tcp_flags(pick(kTypes));
  if (Below(random, 2) == 0) packet.set_input_group("inside");
  if (Below(random, 16) == 0) packet.mutable_headers()->set_fragment_offset(1480);
  if (Below(random, 16) == 0) packet.mutable_headers()->set_cut_short(true);
  if (Below(random, 32) == 0) packet.clear_headers();
  packet.set_connection_state(static_cast<v1::ConnectionState>(Below(random, 5)));
  return packet;
}

// What must hold for any bytes at all.
void Feed(const std::string& text) {
  policy::FakeNames names = SomeNames();
  const RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  ASSERT_EQ(compiled.rules == nullptr, !compiled.problems.empty());
  uint32_t lines = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || (text[i] == '\r' && text.substr(i + 1, 1) != "\n")) ++lines;
  }
  for (const v1::PolicyProblem& problem : compiled.problems) {
    ASSERT_GE(problem.line(), 1u);
    ASSERT_LE(problem.line(), lines);
    ASSERT_GE(problem.column(), 1u);
    ASSERT_FALSE(problem.message().empty());
    // Protobuf writes it without complaint only if it is UTF-8.
    v1::PolicyProblem again;
    ASSERT_TRUE(again.ParseFromString(problem.SerializeAsString()));
    ASSERT_LT(problem.message().size(), 1000u);
  }
  if (compiled.rules != nullptr) compiled.rules->Decide(v1::Packet());
}

TEST(RandomPolicyTest, RandomBytes) {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string text(Below(random, 300), '\0');
    for (char& c : text) c = static_cast<char>(random());
    ASSERT_NO_FATAL_FAILURE(Feed(text)) << "round " << round;
  }
}

TEST(RandomPolicyTest, RandomWords) {
  static constexpr const char* kWords[] = {
      "accept",   "and",      "any",      "between", "default", "for",        "from",     "host",
      "host-not", "icmp",     "is",       "log",     "net",     "netmask",    "not",      "tcp",
      "port",     "port-not", "proto",    "to",      "notify",  "type",       "udp",      "reject",
      ";",        ";",        "10.0.0.0", "::/0",    "mail",    "subnet",     "25",       "0x19",
      "infotype", "/*",       "*/",       "#\n",     "\n",      ",",          "\xc3\xa9", "{",
      "}",        "=",        "\"a\"",    "\"",      "set",     "rule",       "group",    "flags",
      "state",    "include",  "\"own\"",  "new",     "match",   "ask",        "within",   "else",
      "20ms",     "decider",  "at",       "\"h:1\"", "source",  "connection", "60s",      "syn/ack",
      "@a",       "a",        "{25,",     "80-90}",  "@",       "-"};
  Random random(2);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t words = Below(random, 40); words > 0; --words) text += Pick(random, kWords) + " ";
    ASSERT_NO_FATAL_FAILURE(Feed(text)) << text;
  }
}

TEST(RandomPolicyTest, MutatedPolicies) {
  Random random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string text = RandomPolicy(random);
    for (size_t changes = 1 + Below(random, 4); changes > 0 && !text.empty(); --changes) {
      const size_t at = Below(random, text.size());
      switch (Below(random, 4)) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + Below(random, 20));
          break;
        case 2:
          text.insert(at, text.substr(Below(random, text.size()), Below(random, 20)));
          break;
        default:
          text.resize(at);
          break;
      }
    }
    ASSERT_NO_FATAL_FAILURE(Feed(text)) << text;
  }
}

std::string Show(const Ruling& ruling) {
  return v1::Action_Name(ruling.action) + " " + v1::Notify_Name(ruling.notify) + " " +
         std::to_string(ruling.rule) + (ruling.log ? " log " : " ") + v1::Scope_Name(ruling.scope) +
         " " + std::to_string(ruling.lifetime.count()) +
         (ruling.ask != nullptr ? " asks " + ruling.ask->decider : "");
}

// Compiles each rule of the policy as a policy of its own. The first of them that does not say
// "default" must be what the whole policy says.
TEST(RandomPolicyTest, TheWholeSaysWhatItsFirstMatchingRuleSays) {
  Random random(4);
  policy::FakeNames names = SomeNames();
  for (int round = 0; round < 300; ++round) {
    struct Single {
      std::shared_ptr<const RuleSet> rules;
      uint32_t first;
    };
    std::vector<Single> singles;
    std::string text(kMask);
    uint32_t next = 1;
    for (size_t rules = Below(random, 10); rules > 0; --rules) {
      const std::string one = RandomObject(random), other = RandomObject(random);
      const std::string decision = RandomState(random) + RandomDecision(random);
      const bool between = Below(random, 2) == 0;
      absl::StrAppend(&text, between ? "between " : "from ", one, between ? " and " : " to ", other,
                      " ", decision, ";\n");
      const auto add = [&](const std::string& from, const std::string& to) {
        const std::string rule =
            absl::StrCat(std::string(kMask), "from ", from, " to ", to, " ", decision, ";");
        singles.push_back({RuleSet::Compile(rule, names).rules, next++});
      };
      add(one, other);
      if (between) add(other, one);
    }
    const RuleSet::Compiled whole = RuleSet::Compile(text, names);
    ASSERT_NE(whole.rules, nullptr) << text;
    ASSERT_EQ(whole.rules->size(), singles.size());
    for (int packets = 0; packets < 100; ++packets) {
      const v1::Packet packet = RandomPacket(random);
      Ruling expected{v1::ACTION_DROP, v1::NOTIFY_UNSPECIFIED, 0, false, ""};
      for (const Single& single : singles) {
        const Ruling ruling = single.rules->Decide(packet);
        if (ruling.rule == 0) continue;
        expected = ruling;
        expected.rule = single.first;
        break;
      }
      ASSERT_EQ(Show(whole.rules->Decide(packet)), Show(expected))
          << text << packet.ShortDebugString();
    }
  }
}

}  // namespace
}  // namespace sluice::server
