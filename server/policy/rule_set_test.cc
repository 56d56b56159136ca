#include "server/policy/rule_set.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"

namespace sluice::server {
namespace {

using policy::Icmp;
using policy::PacketOf;
using policy::Ports;
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

TEST(RuleSetTest, TheFirstRuleThatMatchesDecides) {
  const auto rules = Compile(
      "# the default may stand anywhere\n"
      "default reject;\n"
      "from host 10.0.0.1 to any reject notify log;\n"
      "between net 10.0.0.0 and host mail tcp port smtp accept log;\n"
      "from net 10.0.0.0 to any accept notify;\n"
      "default accept log;\n");
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->size(), 4u);
  const struct {
    v1::Packet packet;
    v1::Action action;
    v1::Notify notify;
    uint32_t rule;
    bool log;
    std::string_view reason;
  } cases[] = {
      {Udp("10.0.0.1", 1, "192.0.2.1", 2), v1::ACTION_DROP, v1::NOTIFY_HOST_UNREACHABLE, 1, true,
       "rule 1, line 3"},
      {Tcp("10.0.0.2", 1, "192.0.2.26", 25), v1::ACTION_ACCEPT, v1::NOTIFY_UNSPECIFIED, 2, true,
       "rule 2, line 4"},
      {Tcp("192.0.2.25", 25, "10.0.0.2", 1), v1::ACTION_ACCEPT, v1::NOTIFY_UNSPECIFIED, 3, true,
       "rule 3, line 4"},
      {Tcp("10.0.0.2", 1, "192.0.2.25", 80), v1::ACTION_ACCEPT, v1::NOTIFY_UNSPECIFIED, 4, false,
       "rule 4, line 5"},
      {Tcp("192.0.2.25", 80, "10.0.0.2", 1), v1::ACTION_ACCEPT, v1::NOTIFY_UNSPECIFIED, 0, true,
       "default"},
      // What the packet does not show counts against it.
      {v1::Packet(), v1::ACTION_DROP, v1::NOTIFY_HOST_UNREACHABLE, 1, true, "rule 1, line 3"},
  };
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.reason);
    const Ruling ruling = rules->Decide(expected.packet);
    EXPECT_EQ(ruling.action, expected.action);
    EXPECT_EQ(ruling.notify, expected.notify);
    EXPECT_EQ(ruling.rule, expected.rule);
    EXPECT_EQ(ruling.log, expected.log);
    EXPECT_EQ(ruling.reason, expected.reason);
  }
}

TEST(RuleSetTest, NothingSlipsPastARefusalByHidingItsPorts) {
  const auto rules = Compile(
      "from any to any tcp port 23 reject; from any to any tcp port-not 80 reject;"
      "from any to any udp port 53 accept; from any to any icmp type echo accept;"
      "from any to any proto 6 accept;");
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->Decide(Tcp("10.0.0.1", 1, "10.0.0.2", 80)).rule, 5u);
  EXPECT_EQ(rules->Decide(PacketOf("10.0.0.1", "10.0.0.2", 6)).rule, 1u) << "no ports";
  EXPECT_EQ(rules->Decide(PacketOf("10.0.0.1", "10.0.0.2", 17)).rule, 0u) << "may be any port";
  EXPECT_EQ(rules->Decide(PacketOf("10.0.0.1", "10.0.0.2", 1)).rule, 0u) << "may be any type";
}

TEST(RuleSetTest, WithoutADefaultItRejects) {
  const auto rules = Compile("");
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->size(), 0u);
  const Ruling ruling = rules->Decide(Tcp("10.0.0.1", 1, "10.0.0.2", 2));
  EXPECT_EQ(ruling.action, v1::ACTION_DROP);
  EXPECT_EQ(ruling.notify, v1::NOTIFY_UNSPECIFIED);
  EXPECT_EQ(ruling.rule, 0u);
  EXPECT_FALSE(ruling.log);
  EXPECT_EQ(Compile("default reject notify;")->Decide({}).notify, v1::NOTIFY_HOST_UNREACHABLE);
}

TEST(RuleSetTest, Addresses) {
  const struct {
    const char* object;
    const char* address;
    bool matches;
  } cases[] = {
      {"any", "10.0.0.1", true},
      {"any", "2001:db8::1", true},
      {"host 10.0.0.1", "10.0.0.1", true},
      {"host 10.0.0.1", "10.0.0.2", false},
      {"host 10.0.0.1", "a00:1::", false},
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1", "10.0.0.2", false},
      {"host-not 10.0.0.1", "10.0.0.1", false},
      {"host-not 10.0.0.1", "10.0.0.2", true},
      {"host-not 10.0.0.1", "2001:db8::1", true},
      {"host 2001:db8::1", "2001:db8::1", true},
      {"host 2001:db8::1", "2001:db8::2", false},
      {"host ::ffff:10.0.0.1", "10.0.0.1", true},
      {"host mail", "192.0.2.25", true},
      {"host mail", "192.0.2.26", true},
      {"host mail", "2001:db8::25", true},
      {"host mail", "192.0.2.27", false},
      {"host-not mail", "192.0.2.26", false},
      {"host-not mail", "192.0.2.27", true},
      {"host any", "10.0.0.1", true},
      {"host-not any", "10.0.0.1", false},
      {"net 10.0.0.0", "10.255.0.1", true},
      {"net 10.0.0.0", "11.0.0.0", false},
      {"net 128.1.0.0", "128.1.255.255", true},
      {"net 128.1.0.0", "128.2.0.0", false},
      {"net 192.0.2.0", "192.0.2.255", true},
      {"net 192.0.2.0", "192.0.3.0", false},
      {"net-not 192.0.2.0", "192.0.2.1", false},
      {"net-not 192.0.2.0", "192.0.3.1", true},
      {"net-not 192.0.2.0", "::1", true},
      {"net 10.0.0.0/9", "10.127.255.255", true},
      {"net 10.0.0.0/9", "10.128.0.0", false},
      {"10.0.0.0/31", "10.0.0.1", true},
      {"10.0.0.0/31", "10.0.0.2", false},
      {"net 0.0.0.0/0", "203.0.113.1", true},
      {"net 0.0.0.0/0", "::1", false},
      {"net ::/0", "::1", true},
      {"net ::/0", "10.0.0.1", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"2001:db8::/127", "2001:db8::1", true},
      {"2001:db8::/127", "2001:db8::2", false},
      {"net 2001:db8::/64", "2001:db8:0:0:ffff::", true},
      {"net 2001:db8::/64", "2001:db8:0:1::", false},
  };
  for (const auto& [object, address, matches] : cases) {
    SCOPED_TRACE(std::string(object) + " " + address);
    const bool ipv6 = std::string_view(address).find(':') != std::string_view::npos;
    const char* other = ipv6 ? "2001:db8::99" : "198.51.100.9";
    EXPECT_EQ(Accepts(std::string("from ") + object + " to any", PacketOf(address, other, 17)),
              matches);
    EXPECT_EQ(Accepts(std::string("from any to ") + object, PacketOf(other, address, 17)), matches);
  }
}

TEST(RuleSetTest, Subnets) {
  const std::string policy =
      "for 128.1.0.0 netmask is 255.255.255.0; for 10.0.0.0 netmask is 255.0.255.0;"
      "from subnet 128.1.7.0 to any accept; from any to subnet 10.0.7.0 accept;";
  const auto rules = Compile(policy);
  ASSERT_NE(rules, nullptr);
  const auto accepts = [&](const char* source, const char* destination) {
    return rules->Decide(PacketOf(source, destination, 17)).action == v1::ACTION_ACCEPT;
  };
  EXPECT_TRUE(accepts("128.1.7.1", "192.0.2.1"));
  EXPECT_FALSE(accepts("128.1.8.1", "192.0.2.1"));
  EXPECT_TRUE(accepts("192.0.2.1", "10.99.7.1"));
  EXPECT_FALSE(accepts("192.0.2.1", "10.99.8.1"));
  EXPECT_FALSE(accepts("192.0.2.1", "11.0.7.1"));
}

TEST(RuleSetTest, Ports) {
  const struct {
    const char* object;
    uint32_t protocol;
    uint32_t port;
    bool matches;
  } cases[] = {
      {"tcp port 25", 6, 25, true},
      {"tcp port 25", 6, 26, false},
      {"tcp port 25", 17, 25, false},
      {"tcp port smtp", 6, 25, true},
      {"udp port 25", 17, 25, true},
      {"udp port 25", 6, 25, false},
      {"tcp port 0x19", 6, 25, true},
      {"tcp port-not 25", 6, 25, false},
      {"tcp port-not 25", 6, 26, true},
      {"tcp port-not 25", 17, 26, false},
      {"tcp port any", 6, 1, true},
      {"tcp port any", 17, 1, false},
      {"tcp port-not any", 6, 1, false},
      {"udp port reserved", 17, 0, true},
      {"udp port reserved", 17, 1023, true},
      {"udp port reserved", 17, 1024, false},
      {"udp port-not reserved", 17, 1024, true},
      {"udp port-not reserved", 17, 1023, false},
      {"tcp port xserver", 6, 5999, false},
      {"tcp port xserver", 6, 6000, true},
      {"tcp port xserver", 6, 6099, true},
      {"tcp port xserver", 6, 6100, false},
      {"tcp port 65535", 6, 65535, true},
      {"tcp port 0", 6, 0, true},
      {"tcp port 25", 132, 25, false},
  };
  for (const auto& [object, protocol, port, matches] : cases) {
    SCOPED_TRACE(std::string(object) + " " + std::to_string(protocol) + " " + std::to_string(port));
    for (const auto& [here, there] : {std::pair{"10.0.0.1", "10.0.0.2"}, {"::1", "::2"}}) {
      const v1::Packet packet = PacketOf(here, there, protocol);
      EXPECT_EQ(Accepts(std::string("from ") + object + " to any", Ports(packet, port, 50000)),
                matches);
      EXPECT_EQ(Accepts(std::string("from any to any ") + object, Ports(packet, 50000, port)),
                matches);
    }
  }
}

TEST(RuleSetTest, AnObjectIsItsAddressAndItsPort) {
  const auto accepts = [](const v1::Packet& packet) {
    return Accepts("from host 10.0.0.1 udp port-not reserved to host 10.0.0.2 udp port 53", packet);
  };
  EXPECT_TRUE(accepts(Udp("10.0.0.1", 1024, "10.0.0.2", 53)));
  EXPECT_FALSE(accepts(Udp("10.0.0.3", 1024, "10.0.0.2", 53)));
  EXPECT_FALSE(accepts(Udp("10.0.0.1", 1023, "10.0.0.2", 53)));
  EXPECT_FALSE(accepts(Udp("10.0.0.1", 1024, "10.0.0.3", 53)));
  EXPECT_FALSE(accepts(Udp("10.0.0.1", 1024, "10.0.0.2", 54)));
  EXPECT_FALSE(accepts(Udp("10.0.0.2", 53, "10.0.0.1", 1024)));
}

TEST(RuleSetTest, Protocols) {
  const auto packet = [](uint32_t protocol) { return PacketOf("10.0.0.1", "10.0.0.2", protocol); };
  for (const char* side : {"from proto 47 to any", "from any to proto 0x2f"}) {
    EXPECT_TRUE(Accepts(side, packet(47)));
    EXPECT_FALSE(Accepts(side, packet(6)));
  }
  EXPECT_FALSE(Accepts("from proto-not 47 to any", packet(47)));
  EXPECT_TRUE(Accepts("from proto-not 47 to any", packet(6)));
  EXPECT_TRUE(Accepts("from proto any to any", packet(6)));
  EXPECT_FALSE(Accepts("from proto-not any to any", packet(6)));
}

TEST(RuleSetTest, IcmpTypes) {
  const struct {
    const char* object;
    int ipv4_type;  // -1: not looked at
    int ipv6_type;
    bool matches;
  } cases[] = {
      {"icmp type echo", 8, 128, true},
      {"icmp type echo", 0, 129, false},
      {"icmp type echo", 128, 8, false},
      {"icmp type-not echo", 8, 128, false},
      {"icmp type-not echo", 0, 129, true},
      {"icmp type unreachable", 3, 1, true},
      {"icmp type unreachable", 1, 3, false},
      {"icmp type 8", 8, 8, true},
      {"icmp type 8", 128, 128, false},
      {"icmp type any", 77, 77, true},
      {"icmp type-not any", 77, 77, false},
      {"icmp type infotype", 13, 128, true},
      {"icmp type infotype", 18, 129, true},
      {"icmp type infotype", 3, 8, false},
      {"icmp type-not infotype", 3, 1, true},
      {"icmp type-not infotype", 15, 129, false},
      {"icmp type timestamp", 13, -1, true},
      {"icmp type timestamp", -1, 13, false},
      {"icmp type packet-too-big", 2, -1, false},
      {"icmp type packet-too-big", -1, 2, true},
      {"icmp type-not packet-too-big", 2, 3, true},
  };
  for (const auto& [object, ipv4_type, ipv6_type, matches] : cases) {
    SCOPED_TRACE(object);
    const std::string from = std::string("from ") + object + " to any";
    const std::string to = std::string("from any to ") + object;
    for (const std::string& pair : {from, to}) {
      if (ipv4_type >= 0) {
        EXPECT_EQ(Accepts(pair, Icmp("10.0.0.1", "10.0.0.2", ipv4_type)), matches);
      }
      if (ipv6_type >= 0) {
        EXPECT_EQ(Accepts(pair, Icmp("::1", "::2", ipv6_type)), matches);
      }
    }
  }
  v1::Packet crossed = Icmp("10.0.0.1", "10.0.0.2", 8);
  crossed.mutable_headers()->set_protocol(58);  // ICMPv6 has no meaning inside IPv4
  EXPECT_FALSE(Accepts("from icmp type any to any", crossed));
}

TEST(RuleSetTest, WhatIsNotKnownMatchesNoTermNorItsOpposite) {
  v1::Packet none;  // metadata only
  none.set_family(v1::FAMILY_IPV4);
  v1::Packet cut = PacketOf("10.0.0.1", "10.0.0.2", 6);  // TCP, the ports not copied
  cut.mutable_headers()->set_cut_short(true);
  v1::Packet fragment = PacketOf("10.0.0.1", "10.0.0.2", 17);
  fragment.mutable_headers()->set_fragment_offset(1480);
  v1::Packet icmp = PacketOf("10.0.0.1", "10.0.0.2", 1);
  icmp.mutable_headers()->set_cut_short(true);
  v1::Packet chain = PacketOf("::1", "::2", 60);  // cut in the extension headers
  chain.mutable_headers()->set_cut_short(true);

  for (const char* term : {"host 10.0.0.9", "host-not 10.0.0.9", "net 10.0.0.0", "net-not 10.0.0.0",
                           "proto 6", "proto-not 6", "tcp port any", "icmp type any"}) {
    EXPECT_FALSE(Accepts(std::string("from ") + term + " to any", none)) << term;
  }
  for (const char* term : {"any", "host any", "net any", "subnet any", "proto any"}) {
    EXPECT_TRUE(Accepts(std::string("from ") + term + " to any", none)) << term;
  }
  for (const char* term : {"tcp port 25", "tcp port-not 25", "tcp port reserved"}) {
    EXPECT_FALSE(Accepts(std::string("from any to ") + term, cut)) << term;
  }
  EXPECT_TRUE(Accepts("from any to tcp port any", cut));
  EXPECT_TRUE(Accepts("from proto 6 to proto-not 17", cut));
  for (const char* term : {"udp port 53", "udp port-not 53"}) {
    EXPECT_FALSE(Accepts(std::string("from any to ") + term, fragment)) << term;
  }
  EXPECT_TRUE(Accepts("from host 10.0.0.1 to udp port any", fragment));
  for (const char* term :
       {"icmp type echo", "icmp type-not echo", "icmp type infotype", "icmp type-not infotype"}) {
    EXPECT_FALSE(Accepts(std::string("from any to ") + term, icmp)) << term;
  }
  EXPECT_TRUE(Accepts("from any to icmp type any", icmp));
  for (const char* term : {"proto 60", "proto-not 6", "tcp port any"}) {
    EXPECT_FALSE(Accepts(std::string("from any to ") + term, chain)) << term;
  }
  EXPECT_TRUE(Accepts("from ::1 to any", chain));
}

TEST(RuleSetTest, AsksTheSystemForNames) {
  const RuleSet::Compiled compiled =
      RuleSet::Compile("from host localhost tcp port smtp to net loopback proto tcp accept;");
  ASSERT_NE(compiled.rules, nullptr);
  EXPECT_EQ(compiled.rules->Decide(Tcp("127.0.0.1", 25, "127.1.2.3", 9)).rule, 1u);
}

// Memory runs out while a name is looked up.
class NoMemory final : public policy::Names {
 public:
  absl::StatusOr<std::vector<policy::Address>> Host(const std::string&) override {
    throw std::bad_alloc();
  }
  absl::StatusOr<uint32_t> Network(const std::string&) override { throw std::bad_alloc(); }
  absl::StatusOr<uint32_t> Protocol(const std::string&) override { throw std::bad_alloc(); }
  absl::StatusOr<uint32_t> Service(const std::string&, const char*) override {
    throw std::bad_alloc();
  }
  absl::StatusOr<std::string> SetFile(const std::string&) override { throw std::bad_alloc(); }
};

TEST(RuleSetTest, WhatFindsNoMemoryThoughSomeSeemedFreeIsNotCompiled) {
  NoMemory names;
  const auto compiled = RuleSet::Compile("from host mail to any accept;", names);
  EXPECT_EQ(compiled.rules, nullptr);
  EXPECT_TRUE(compiled.problems.empty());
  EXPECT_EQ(compiled.status.code(), absl::StatusCode::kResourceExhausted);
}

TEST(RuleSetTest, WhatTakesMoreMemoryThanIsFreeIsNotCompiled) {
  policy::FakeNames names;
  v1::PolicyText policy;
  for (int i = 0; i < 1000; ++i) policy.mutable_text()->append("between any and any accept;\n");
  EXPECT_TRUE(RuleSet::Compile(policy, names, uint64_t{4} << 20).status.ok());
  const auto compiled = RuleSet::Compile(policy, names, uint64_t{1} << 20);
  EXPECT_EQ(compiled.rules, nullptr);
  EXPECT_TRUE(compiled.problems.empty());
  EXPECT_EQ(compiled.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(compiled.status.message(),
            "compiling this policy takes some 2 MiB of memory, and 1 MiB are free here");
  // Counts addresses in lists, and those of sets.
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "10.0.0.1,";
  policy.set_text("from {" + many + "} to any accept;");
  EXPECT_FALSE(RuleSet::Compile(policy, names, uint64_t{2} << 20).status.ok());
  EXPECT_TRUE(RuleSet::Compile(policy, names, uint64_t{3} << 20).status.ok());
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += "10.0.0.1\n";
  names.PushFile("/s", lines);
  policy.set_text("set s from \"/s\"; from @s to any accept;");
  EXPECT_FALSE(RuleSet::Compile(policy, names, uint64_t{2} << 20).status.ok());
  const auto fits = RuleSet::Compile(policy, names, uint64_t{3} << 20);
  ASSERT_TRUE(fits.status.ok());
  // When the set is read again, the old addresses stay.
  names.PushFile("/s", lines + lines);
  const auto reloaded = RuleSet::Reload(policy, *fits.rules, names, uint64_t{3} << 20);
  EXPECT_EQ(reloaded.rules, nullptr);
  ASSERT_EQ(reloaded.stale.size(), 1u);
  EXPECT_NE(reloaded.stale[0].find("MiB are free here"), std::string::npos);
}

TEST(RuleSetTest, SaysWhyThereAreNoRules) {
  policy::FakeNames names;
  EXPECT_EQ(RuleSet::Compile("default perhaps;", names).status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(RuleSet::Compile("default accept;", names).status.ok());
}

}  // namespace
}  // namespace sluice::server
