#include "clients/cli/format/addresses.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

const std::string kV4("\xc0\x00\x02\x01", 4);
const std::string kV6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);

TEST(FormatAddress, ShowsBothFamilies) {
  EXPECT_EQ(FormatAddress(kV4), "192.0.2.1");
  EXPECT_EQ(FormatAddress(kV6), "2001:db8::1");
}

TEST(FormatAddress, ShowsOtherLengthsAsHex) {
  EXPECT_EQ(FormatAddress(""), "");
  EXPECT_EQ(FormatAddress(std::string("\x01\xff", 2)), "01ff");
}

TEST(FormatEndpoint, BracketsIpv6) {
  EXPECT_EQ(FormatEndpoint(kV4, 80), "192.0.2.1:80");
  EXPECT_EQ(FormatEndpoint(kV6, 80), "[2001:db8::1]:80");
  EXPECT_EQ(FormatEndpoint(kV6, std::nullopt), "2001:db8::1");
}

TEST(ParsePrefix, TakesAddressesAndNetworks) {
  struct Case {
    const char* text;
    const char* address;
    uint32_t length;
  };
  for (const Case& c : {Case{"192.0.2.1", "192.0.2.1", 32}, Case{"10.0.0.0/8", "10.0.0.0", 8},
                        Case{"0.0.0.0/0", "0.0.0.0", 0}, Case{"2001:db8::/32", "2001:db8::", 32},
                        Case{"::1", "::1", 128}}) {
    const auto prefix = ParsePrefix(c.text);
    ASSERT_TRUE(prefix.ok()) << c.text;
    EXPECT_EQ(FormatAddress(prefix->address()), c.address);
    EXPECT_EQ(prefix->length(), c.length);
  }
}

TEST(ParsePrefix, TakesMappedAddressesForIpv4) {
  EXPECT_EQ(ParsePrefix("::ffff:10.0.0.1")->address(), std::string("\x0a\0\0\1", 4));
  EXPECT_EQ(ParsePrefix("::ffff:10.0.0.1")->length(), 32u);
  EXPECT_EQ(ParsePrefix("::ffff:10.0.0.0/104")->length(), 8u);
  EXPECT_EQ(ParsePrefix("::ffff:0:0/96")->address().size(), 16u);
}

TEST(ParsePrefix, RefusesTheRest) {
  for (const char* text : {"", "gw1", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1",
                           "10.0.0.0/ 8", "10.0.0.0/8/8", "/8", "10.0.0.1 ", "256.0.0.1"}) {
    const auto prefix = ParsePrefix(text);
    EXPECT_EQ(prefix.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(ParsePrefix("10.0.0.0/33").status().message(),
            "'10.0.0.0/33': expected a number after the / from 0 to 32");
}

TEST(ServerTarget, AddsThePortWhereThereIsNone) {
  EXPECT_EQ(ServerTarget("10.0.2.2"), "10.0.2.2:7654");
  EXPECT_EQ(ServerTarget("10.0.2.2:1"), "10.0.2.2:1");
  EXPECT_EQ(ServerTarget("server.example"), "server.example:7654");
  EXPECT_EQ(ServerTarget("2001:db8::1"), "[2001:db8::1]:7654");
  EXPECT_EQ(ServerTarget("[2001:db8::1]"), "[2001:db8::1]:7654");
  EXPECT_EQ(ServerTarget("[2001:db8::1]:1"), "[2001:db8::1]:1");
  EXPECT_EQ(ServerTarget("unix:/run/sluice.sock"), "unix:/run/sluice.sock");
  // Escaped, as gRPC parses the target as a URI.
  EXPECT_EQ(ServerTarget("fe80::1%22"), "[fe80::1%2522]:7654");
  EXPECT_EQ(ServerTarget("[fe80::1%beef0]"), "[fe80::1%25beef0]:7654");
  EXPECT_EQ(ServerTarget("[fe80::1%eth0]:1"), "[fe80::1%25eth0]:1");
}

}  // namespace
}  // namespace sluice::cli
