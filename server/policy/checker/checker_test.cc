#include "server/policy/checker/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/policy/checker/fake_names.h"
#include "server/policy/language/parser.h"

namespace sluice::server::policy {
namespace {

using testing::ElementsAre;

class CheckerTest : public testing::Test {
 protected:
  CheckedPolicy Check(std::string_view text) {
    Problems problems;
    const Syntax syntax = Parse(text, problems);
    CheckedPolicy policy = policy::Check(syntax, names_, problems);
    for (const Problem& problem : std::move(problems).Take()) ADD_FAILURE() << problem.message;
    return policy;
  }

  FakeNames names_;
};

TEST_F(CheckerTest, BetweenIsTwoRules) {
  const CheckedPolicy policy = Check("\nbetween tcp port 1 and host 10.0.0.1 reject notify log;");
  ASSERT_EQ(policy.rules.size(), 2u);
  EXPECT_EQ(policy.rules[0].source.transport.kind, TransportTerm::Kind::kPort);
  EXPECT_EQ(policy.rules[0].destination.address.kind, AddressTerm::Kind::kOneOf);
  EXPECT_EQ(policy.rules[1].source.address.kind, AddressTerm::Kind::kOneOf);
  EXPECT_EQ(policy.rules[1].destination.transport.kind, TransportTerm::Kind::kPort);
  for (const CheckedRule& rule : policy.rules) {
    EXPECT_EQ(rule.place.line, 2u);
    EXPECT_FALSE(rule.decision.accept);
    EXPECT_EQ(rule.decision.notify, Notify::kHostUnreachable);
    EXPECT_TRUE(rule.decision.log);
  }
}

TEST_F(CheckerTest, NotifyMeansNothingWithAccept) {
  const CheckedPolicy policy = Check("default accept notify; from any to any accept notify log;");
  EXPECT_TRUE(policy.fallback.accept);
  EXPECT_EQ(policy.fallback.notify, Notify::kNone);
  EXPECT_EQ(policy.rules.at(0).decision.notify, Notify::kNone);
  EXPECT_TRUE(policy.rules.at(0).decision.log);
}

TEST_F(CheckerTest, AHostIsAllItsAddresses) {
  names_.PushHost("mail", {"192.0.2.1", "2001:db8::1"});
  const CheckedPolicy policy = Check("from host mail to any accept;");
  const AddressTerm& term = policy.rules.at(0).source.address;
  ASSERT_EQ(term.patterns.size(), 2u);
  EXPECT_EQ(term.patterns[0].value.ToString(), "192.0.2.1");
  EXPECT_EQ(term.patterns[1].value.ToString(), "2001:db8::1");
}

TEST_F(CheckerTest, AsksForEachNameOnce) {
  names_.PushHost("mail", {"192.0.2.1"});
  names_.PushNetwork("campus", 0x80010000);
  names_.PushProtocol("ospf", 89);
  names_.PushService("smtp", "tcp", 25);
  names_.PushService("smtp", "udp", 2525);
  Check(
      "for campus netmask is 255.255.255.0;"
      "from host mail tcp port smtp to net campus udp port smtp accept;"
      "between host mail tcp port smtp and net campus proto ospf accept;"
      "from any to net campus proto-not ospf accept;");
  EXPECT_THAT(names_.Asked(), ElementsAre("network campus", "host mail", "service smtp/tcp",
                                          "service smtp/udp", "protocol ospf"));
}

TEST_F(CheckerTest, NetTakesItsMaskFromTheClass) {
  const CheckedPolicy policy = Check(
      "from net 10.0.0.0 to net 128.1.0.0 accept; from net 192.0.2.0 to net 0x0a000000 accept;"
      "from net 10.32.0.0/11 to net 2001:db8::/32 accept;");
  const auto mask = [&](size_t rule, bool destination) {
    const CheckedRule& checked = policy.rules.at(rule);
    const ObjectTerm& object = destination ? checked.destination : checked.source;
    return Address{4, object.address.patterns.at(0).mask}.ToString();
  };
  EXPECT_EQ(mask(0, false), "255.0.0.0");
  EXPECT_EQ(mask(0, true), "255.255.0.0");
  EXPECT_EQ(mask(1, false), "255.255.255.0");
  EXPECT_EQ(mask(1, true), "255.0.0.0");
  EXPECT_EQ(mask(2, false), "255.224.0.0");
  EXPECT_EQ(policy.rules[2].destination.address.patterns.at(0).value.ToString(), "2001:db8::");
}

TEST_F(CheckerTest, SubnetTakesItsMaskFromItsNetworksDeclaration) {
  names_.PushHost("campus-mask", {"255.255.255.0"});
  names_.PushNetwork("lab", 0x80010700);
  const CheckedPolicy policy = Check(
      "from subnet lab to subnet-not 36.8.0.0 accept;"  // declared below: statements have no order
      "for 128.1.0.0 netmask is campus-mask;"
      "for 36.0.0.0 netmask is 0xfff80000;"
      "for 36.0.0.0 netmask is 255.248.0.0;"  // declared twice, alike
      "for 10.0.0.0 netmask is 255.0.255.0;"  // not contiguous
      "from subnet 10.0.7.0 to any accept;");
  EXPECT_EQ(policy.rules.at(0).source.address.patterns.at(0).value.ToString(), "128.1.7.0");
  EXPECT_EQ(policy.rules[0].source.address.patterns[0].mask, Address::IpV4(0xffffff00).bytes);
  EXPECT_EQ(policy.rules[0].destination.address.kind, AddressTerm::Kind::kNoneOf);
  EXPECT_EQ(policy.rules[0].destination.address.patterns.at(0).mask,
            Address::IpV4(0xfff80000).bytes);
  EXPECT_EQ(policy.rules.at(1).source.address.patterns.at(0).mask, Address::IpV4(0xff00ff00).bytes);
}

TEST_F(CheckerTest, AnyIsAValueOfEveryTerm) {
  const CheckedPolicy policy = Check(
      "from host any proto any to host-not any proto-not any accept;"
      "from net any tcp port any to subnet any udp port-not any accept;"
      "from any icmp type any to any icmp type-not any accept;");
  EXPECT_EQ(policy.rules.at(0).source.address.kind, AddressTerm::Kind::kAnything);
  EXPECT_EQ(policy.rules[0].source.transport.kind, TransportTerm::Kind::kAnything);
  EXPECT_EQ(policy.rules[0].destination.address.kind, AddressTerm::Kind::kNothing);
  EXPECT_EQ(policy.rules[0].destination.transport.kind, TransportTerm::Kind::kNothing);
  EXPECT_EQ(policy.rules.at(1).source.address.kind, AddressTerm::Kind::kAnything);
  EXPECT_EQ(policy.rules[1].source.transport.kind, TransportTerm::Kind::kProtocol);
  EXPECT_EQ(policy.rules[1].destination.transport.kind, TransportTerm::Kind::kNothing);
  EXPECT_EQ(policy.rules.at(2).source.transport.kind, TransportTerm::Kind::kIcmp);
  EXPECT_EQ(policy.rules[2].destination.transport.kind, TransportTerm::Kind::kNothing);
}

TEST_F(CheckerTest, PortsAndTypes) {
  const CheckedPolicy policy = Check(
      "from tcp port 0x50 to tcp port reserved accept;"
      "from udp port xserver to icmp type infotype accept;"
      "from icmp type echo to icmp type 255 accept;");
  const auto transport = [&](size_t rule, bool destination) {
    return destination ? policy.rules.at(rule).destination.transport
                       : policy.rules.at(rule).source.transport;
  };
  EXPECT_EQ(transport(0, false).protocol, 6);
  EXPECT_EQ(transport(0, false).ports.at(0).low, 80);
  EXPECT_EQ(transport(0, false).ports.at(0).high, 80);
  EXPECT_EQ(transport(0, true).ports.at(0).low, 0);
  EXPECT_EQ(transport(0, true).ports.at(0).high, 1023);
  EXPECT_EQ(transport(1, false).protocol, 17);
  EXPECT_EQ(transport(1, false).ports.at(0).low, 6000);
  EXPECT_EQ(transport(1, false).ports.at(0).high, 6099);
  EXPECT_EQ(transport(1, true).kind, TransportTerm::Kind::kIcmpType);
  EXPECT_EQ(transport(2, false).icmp_types.at(0), (IcmpType{8, 128}));
  EXPECT_EQ(transport(2, true).icmp_types.at(0), (IcmpType{255, 255}));
}

TEST_F(CheckerTest, States) {
  const CheckedPolicy policy = Check(
      "from any to any accept; from any to any state {new, related} accept;"
      "between any and any state-not {new, established} match \"tcp\" reject;");
  EXPECT_FALSE(policy.rules.at(0).states);
  EXPECT_EQ(policy.rules.at(1).states, kStateNew | kStateRelated);
  EXPECT_FALSE(policy.rules[1].match);
  for (const size_t half : {2, 3}) {
    EXPECT_EQ(policy.rules.at(half).states, kStateRelated | kStateInvalid);
    EXPECT_EQ(policy.rules[half].match.value().expression, "tcp");
    EXPECT_EQ(policy.rules[half].match->place, (Place{1, 124, 5}));
  }
}

TEST_F(CheckerTest, ScopesAndDeciders) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const CheckedPolicy policy = Check(
      "decider \"b\" at \"192.0.2.7:9\", \"unix:/b\"; decider \"a\" at \"h:1\";"
      "from any to any accept for connection; from any to any accept for connection for 2m;"
      "from any to any reject for 1s; from any to any reject from source for 24h;"
      "default ask \"a\" within 1m else accept notify from source;");
  const auto decision = [&](size_t rule) { return policy.rules.at(rule).decision; };
  EXPECT_EQ(decision(0).scope, Scope::kConnection);
  EXPECT_EQ(decision(0).lifetime, seconds(0));
  EXPECT_EQ(decision(1).scope, Scope::kConnection);
  EXPECT_EQ(decision(1).lifetime, seconds(120));
  EXPECT_EQ(decision(2).scope, Scope::kPeer);
  EXPECT_EQ(decision(2).lifetime, seconds(1));
  EXPECT_EQ(decision(3).scope, Scope::kSource);
  EXPECT_EQ(decision(3).lifetime, seconds(86'400));
  EXPECT_FALSE(decision(3).ask);
  EXPECT_EQ(policy.fallback.ask.value().decider, "a");
  EXPECT_EQ(policy.fallback.ask->within, milliseconds(60'000));
  EXPECT_TRUE(policy.fallback.accept);
  EXPECT_EQ(policy.fallback.notify, Notify::kNone);
  EXPECT_EQ(policy.fallback.scope, Scope::kSource);
  ASSERT_EQ(policy.deciders.size(), 2u);
  EXPECT_EQ(policy.deciders[0].name, "b");
  EXPECT_THAT(policy.deciders[0].addresses, ElementsAre("192.0.2.7:9", "unix:/b"));
}

TEST_F(CheckerTest, BoundsAddresses) {
  std::vector<std::string> addresses;
  for (int i = 0; i < 1000; ++i) {
    addresses.push_back("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  }
  names_.PushHost("many", addresses);
  std::string text;
  for (size_t i = 0; i <= kMostAddresses / 2000; ++i) text += "between host many and any accept;\n";
  Problems problems;
  const Syntax syntax = Parse(text, problems);
  policy::Check(syntax, names_, problems);
  const auto found = std::move(problems).Take();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].place, (Place{2001, 1, 7}));
  EXPECT_EQ(
      found[0].message,
      "too many addresses: the rules of a policy have at most 4000000, those of names counted");
}

}  // namespace
}  // namespace sluice::server::policy
