#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/policy/terms/address.h"

namespace sluice::server::policy {
namespace {

using testing::ElementsAre;

std::vector<std::string> Cover(const std::string& first, const std::string& last) {
  const auto prefixes = CoverRange(ParseAddress(first).value(), ParseAddress(last).value());
  if (!prefixes.ok()) return {std::string(prefixes.status().message())};
  std::vector<std::string> words;
  for (const AddressPattern& prefix : *prefixes) {
    unsigned length = 0;
    for (const uint8_t byte : prefix.mask)
      length += static_cast<unsigned>(__builtin_popcount(byte));
    words.push_back(prefix.value.ToString() + "/" + std::to_string(length));
    // It is a prefix, and has no bits set after it.
    EXPECT_TRUE(ParsePrefix(words.back()).ok()) << words.back();
    EXPECT_EQ(ParsePrefix(words.back())->mask, prefix.mask);
  }
  return words;
}

TEST(CoverRangeTest, FewestPrefixes) {
  EXPECT_THAT(Cover("10.0.0.1", "10.0.0.9"),
              ElementsAre("10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31"));
  EXPECT_THAT(Cover("10.0.0.0", "10.0.0.255"), ElementsAre("10.0.0.0/24"));
  EXPECT_THAT(Cover("10.0.0.7", "10.0.0.7"), ElementsAre("10.0.0.7/32"));
  EXPECT_THAT(Cover("0.0.0.0", "255.255.255.255"), ElementsAre("0.0.0.0/0"));
  EXPECT_THAT(Cover("255.255.255.254", "255.255.255.255"), ElementsAre("255.255.255.254/31"));
  EXPECT_EQ(Cover("0.0.0.1", "255.255.255.254").size(), 62u);
  EXPECT_THAT(Cover("2001:db8::1", "2001:db8::3"),
              ElementsAre("2001:db8::1/128", "2001:db8::2/127"));
  EXPECT_THAT(Cover("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ElementsAre("::/0"));
  EXPECT_EQ(Cover("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").size(), 254u);
}

TEST(CoverRangeTest, IsNone) {
  EXPECT_THAT(Cover("10.0.0.9", "10.0.0.1"), ElementsAre("the range ends before it begins"));
  EXPECT_THAT(Cover("10.0.0.9", "2001:db8::"),
              ElementsAre("the range has an IPv4 and an IPv6 address at its ends"));
}

}  // namespace
}  // namespace sluice::server::policy
