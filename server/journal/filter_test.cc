#include "server/journal/filter.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

using std::string_literals::operator""s;

const std::string kHost = "\x0a\x01\x02\x03"s;   // 10.1.2.3
const std::string kOther = "\xc0\x00\x02\x01"s;  // 192.0.2.1
const std::string kV6 = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"s;

Traits Tcp() { return {v1::FAMILY_IPV4, 6, kHost, kOther, 1234, 80}; }

v1::Prefix Prefix(const std::string& address, uint32_t length) {
  v1::Prefix prefix;
  prefix.set_address(address);
  prefix.set_length(length);
  return prefix;
}

bool Matches(const v1::ObserveFilter& filter, const Traits& traits) {
  const auto made = Filter::Create(filter);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() && made->Matches(traits);
}

TEST(FilterTest, AnEmptyFilterMatchesAll) {
  EXPECT_TRUE(Matches({}, Tcp()));
  EXPECT_TRUE(Matches({}, Traits()));
  EXPECT_TRUE(Filter::Create({})->MatchesGateway("any"));
}

TEST(FilterTest, Gateways) {
  v1::ObserveFilter filter;
  filter.add_gateways("gw1");
  filter.add_gateways("gw2");
  const auto made = Filter::Create(filter);
  EXPECT_TRUE(made->MatchesGateway("gw2"));
  EXPECT_FALSE(made->MatchesGateway("gw3"));
}

TEST(FilterTest, Prefixes) {
  const struct {
    std::string address;
    uint32_t length;
    bool source;
    bool destination;
  } kCases[] = {
      {kHost, 32, true, false},
      {kHost, 8, true, false},
      {"\x0a\x01\x03\xff"s, 23, true, false},
      {"\x0a\x01\x03\xff"s, 24, false, false},
      {"\x0a\x01\x02\x02"s, 31, true, false},
      {"\x0a\x01\x02\x02"s, 32, false, false},
      {kOther, 32, false, true},
      {kOther, 0, true, true},
      {kV6, 0, false, false},
  };
  for (const auto& each : kCases) {
    v1::ObserveFilter source;
    *source.mutable_source() = Prefix(each.address, each.length);
    EXPECT_EQ(Matches(source, Tcp()), each.source) << each.length;
    v1::ObserveFilter destination;
    *destination.mutable_destination() = Prefix(each.address, each.length);
    EXPECT_EQ(Matches(destination, Tcp()), each.destination) << each.length;
    v1::ObserveFilter either;
    *either.mutable_address() = Prefix(each.address, each.length);
    EXPECT_EQ(Matches(either, Tcp()), each.source || each.destination) << each.length;
    EXPECT_FALSE(Matches(either, Traits()));
  }
}

TEST(FilterTest, PortsProtocolsAndFamilies) {
  v1::ObserveFilter filter;
  filter.set_family(v1::FAMILY_IPV4);
  filter.add_protocols(17);
  EXPECT_FALSE(Matches(filter, Tcp()));
  filter.add_protocols(6);
  EXPECT_TRUE(Matches(filter, Tcp()));
  filter.set_port(80);
  EXPECT_TRUE(Matches(filter, Tcp()));
  filter.set_source_port(80);
  EXPECT_FALSE(Matches(filter, Tcp()));
  filter.set_source_port(1234);
  filter.set_destination_port(80);
  EXPECT_TRUE(Matches(filter, Tcp()));
  Traits portless = Tcp();
  portless.source_port.reset();
  EXPECT_FALSE(Matches(filter, portless));
  filter.set_family(v1::FAMILY_IPV6);
  EXPECT_FALSE(Matches(filter, Tcp()));
}

TEST(FilterTest, TakesAnyNumberOfProtocolsButNoMoreGatewaysThanThereCanBe) {
  v1::ObserveFilter filter;
  for (int i = 0; i < 100'000; ++i) filter.add_protocols(17);
  EXPECT_FALSE(Matches(filter, Tcp()));
  filter.add_protocols(6);
  EXPECT_TRUE(Matches(filter, Tcp()));
  for (int i = 0; i < Filter::kMostGateways; ++i) filter.add_gateways("gw");
  EXPECT_TRUE(Matches(filter, Tcp()));
  filter.add_gateways("gw");
  const absl::Status refused = Filter::Create(filter).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find("4097 gateways; at most 4096"), absl::string_view::npos);
}

TEST(NumberSetTest, AnEmptyOneHasAll) {
  NumberSet set;
  EXPECT_TRUE(set.all() && set.Has(0) && set.Has(NumberSet::kMost) && set.Has(100'000));
  set.Add(0);
  set.Add(NumberSet::kMost);
  EXPECT_TRUE(!set.all() && set.Has(0) && set.Has(NumberSet::kMost));
  EXPECT_FALSE(set.Has(1) || set.Has(NumberSet::kMost + 1) || set.Has(100'000));
}

TEST(FilterTest, RefusesWhatCanNeverMatch) {
  v1::ObserveFilter five_bytes;
  *five_bytes.mutable_source() = Prefix("12345", 8);
  v1::ObserveFilter no_bytes;
  no_bytes.mutable_address();
  v1::ObserveFilter long_v4;
  *long_v4.mutable_destination() = Prefix(kHost, 33);
  v1::ObserveFilter long_v6;
  *long_v6.mutable_address() = Prefix(kV6, 129);
  v1::ObserveFilter other_family;
  other_family.set_family(v1::FAMILY_IPV6);
  *other_family.mutable_source() = Prefix(kHost, 8);
  v1::ObserveFilter port;
  port.set_port(65536);
  v1::ObserveFilter protocol;
  protocol.add_protocols(256);
  v1::ObserveFilter family;
  family.set_family(static_cast<v1::Family>(9));
  for (const auto& filter :
       {five_bytes, no_bytes, long_v4, long_v6, other_family, port, protocol, family}) {
    const auto made = Filter::Create(filter);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(made.status().message().find("filter."), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace sluice::server
