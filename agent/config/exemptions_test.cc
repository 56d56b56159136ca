#include "agent/config/exemptions.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::agent {
namespace {

Exemption Parse(const std::string& text) {
  Exemption exemption;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &exemption)) << text;
  return exemption;
}

std::optional<ExemptFlow> Read(const std::string& text) {
  return ReadExemption(Parse(text), [&](std::string_view key, const std::string& problem) {
    ADD_FAILURE() << text << ": " << key << ": " << problem;
  });
}

// The keys that are refused, each followed by a space.
std::string RefusedKeys(const std::string& text) {
  std::string keys;
  const auto flow = ReadExemption(
      Parse(text), [&](std::string_view key, const std::string&) { keys.append(key).append(" "); });
  EXPECT_EQ(flow.has_value(), keys.empty()) << text;
  return keys;
}

TEST(ReadExemptionTest, ReadsEveryKey) {
  EXPECT_EQ(
      Read("source: '192.0.2.0/24' destination: '198.51.100.1' protocol: 'tcp' port: 22"),
      (ExemptFlow{.source = IpNetwork{.ipv6 = false, .address = {192, 0, 2}, .prefix_length = 24},
                  .destination =
                      IpNetwork{.ipv6 = false, .address = {198, 51, 100, 1}, .prefix_length = 32},
                  .protocol = 6,
                  .port = 22}));
  EXPECT_EQ(Read("destination: '2001:db8::/33'")->destination,
            (IpNetwork{.ipv6 = true, .address = {0x20, 1, 0xd, 0xb8}, .prefix_length = 33}));
  EXPECT_EQ(Read("source: '::1'")->source->prefix_length, 128);
  EXPECT_EQ(Read("source: '0.0.0.0/0'")->source->prefix_length, 0);
}

TEST(ReadExemptionTest, ReadsProtocols) {
  EXPECT_EQ(Read("protocol: 'udp'")->protocol, 17);
  EXPECT_EQ(Read("protocol: 'icmp'")->protocol, 1);
  EXPECT_EQ(Read("protocol: 'icmpv6'")->protocol, 58);
  EXPECT_EQ(Read("protocol: '50'")->protocol, 50);
  EXPECT_EQ(Read("protocol: '255'")->protocol, 255);
  EXPECT_EQ(Read("protocol: '6' port: 1")->protocol, 6);
}

TEST(ReadExemptionTest, RefusesWhatIsNoAddress) {
  for (const char* text :
       {"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/0x8", "192.0.2.0/-1", "192.0.2.0/024", "192.0.2",
        "2001:db8::/129", "fe80::1%eth0", "host", "192.0.2.1/24", "2001:db8::1/64", "/24"}) {
    EXPECT_EQ(RefusedKeys("source: '" + std::string(text) + "'"), "source ") << text;
    EXPECT_EQ(RefusedKeys("destination: '" + std::string(text) + "'"), "destination ") << text;
  }
}

TEST(ReadExemptionTest, RefusesWhatDoesNotGoTogether) {
  EXPECT_EQ(RefusedKeys(""), " ");
  EXPECT_EQ(RefusedKeys("port: 22"), "port ");
  EXPECT_EQ(RefusedKeys("port: 22 protocol: 'icmp'"), "port ");
  EXPECT_EQ(RefusedKeys("source: '192.0.2.1' destination: '2001:db8::1'"), "destination ");
  EXPECT_EQ(RefusedKeys("source: '192.0.2.1' protocol: 'icmpv6'"), "protocol ");
  EXPECT_EQ(RefusedKeys("destination: '2001:db8::1' protocol: 'icmp'"), "protocol ");
  for (const char* protocol : {"0", "256", "TCP", "sctp", "-1"}) {
    EXPECT_EQ(RefusedKeys("protocol: '" + std::string(protocol) + "'"), "protocol ") << protocol;
  }
}

}  // namespace
}  // namespace sluice::agent
