#include "server/policy/terms/address.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server::policy {
namespace {

TEST(ParseAddressTest, Takes) {
  const struct {
    std::string_view word;
    std::string_view shown;
  } cases[] = {
      {"10.0.0.1", "10.0.0.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"0x0a.0.0x0.0x01", "10.0.0.1"},
      {"0x7f000001", "127.0.0.1"},
      {"0XFF", "0.0.0.255"},
      {"2001:DB8::1", "2001:db8::1"},
      {"::", "::"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
  };
  for (const auto& [word, shown] : cases) {
    ASSERT_TRUE(IsLiteral(word)) << word;
    const auto address = ParseAddress(word);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), shown);
  }
}

TEST(ParseAddressTest, SaysWhatIsWrong) {
  const struct {
    std::string_view word;
    std::string_view message;
  } cases[] = {
      {"36", "`36` is not an address: IPv4 addresses have four parts, not 1"},
      {"10.1", "`10.1` is not an address: IPv4 addresses have four parts, not 2"},
      {"1.2.3.4.5", "`1.2.3.4.5` is not an address: IPv4 addresses have four parts, not 5"},
      {"10.0.0.256", "`10.0.0.256` is not an address: `256` is too large: at most 255"},
      {"010.0.0.1",
       "`010.0.0.1` is not an address: `010` begins with 0: numbers are decimal or 0x…, never "
       "octal"},
      {"0x100000000", "`0x100000000` is too large: at most 4294967295"},
      {"1:2", "`1:2` is not an IPv6 address"},
      {"::12345", "`::12345` is not an IPv6 address"},
      {":", "`:` is not an IPv6 address"},
      {"fe80::1%eth0", "`fe80::1%eth0` names an interface: packets have none in their addresses"},
  };
  for (const auto& [word, message] : cases) {
    EXPECT_TRUE(IsLiteral(word)) << word;
    EXPECT_EQ(std::string(ParseAddress(word).status().message()), message);
  }
}

TEST(IsLiteralTest, NamesAreNot) {
  for (const char* word : {"", ".", "a", "1.2.3.x", "3com.example", "0x", "0xg", "1.2.3.4.", "a.1",
                           "1..2", "-1", "10.0.0.0/8"}) {
    EXPECT_FALSE(IsLiteral(word)) << word;
  }
}

TEST(ParsePrefixTest, Takes) {
  const auto v4 = ParsePrefix("10.128.0.0/9");
  ASSERT_TRUE(v4.ok()) << v4.status();
  EXPECT_EQ(v4->value, Address::IpV4(0x0a800000));
  EXPECT_EQ(v4->mask, Address::IpV4(0xff800000).bytes);

  const auto v6 = ParsePrefix("2001:db8::/33");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_EQ(v6->value.ToString(), "2001:db8::");
  EXPECT_EQ(v6->mask[3], 0xff);
  EXPECT_EQ(v6->mask[4], 0x80);
  EXPECT_EQ(v6->mask[5], 0);

  EXPECT_TRUE(ParsePrefix("0.0.0.0/0").ok());
  EXPECT_TRUE(ParsePrefix("::/0").ok());
  EXPECT_TRUE(ParsePrefix("10.0.0.1/32").ok());
  EXPECT_TRUE(ParsePrefix("::1/128").ok());
}

TEST(ParseAddressTest, TakesMappedAddressesForIpV4) {
  EXPECT_EQ(*ParseAddress("::ffff:10.0.0.1"), Address::IpV4(0x0a000001));
  EXPECT_EQ(*ParseAddress("0:0:0:0:0:FFFF:a00:1"), Address::IpV4(0x0a000001));
  EXPECT_EQ(ParseAddress("::10.0.0.1")->size, 16u);
  EXPECT_EQ(ParseAddress("64:ff9b::10.0.0.1")->size, 16u);

  const auto same = [](const char* mapped, const char* plain) {
    const auto a = ParsePrefix(mapped);
    const auto b = ParsePrefix(plain);
    return a.ok() && b.ok() && a->value == b->value && a->mask == b->mask;
  };
  EXPECT_TRUE(same("::ffff:10.0.0.0/104", "10.0.0.0/8"));
  EXPECT_TRUE(same("::ffff:10.0.0.1/128", "10.0.0.1/32"));
  EXPECT_TRUE(same("::ffff:0:0/97", "0.0.0.0/1"));
  for (const char* wider : {"::ffff:0:0/96", "::ffff:0:0/95", "::/0"}) {
    const auto pattern = ParsePrefix(wider);
    if (pattern.ok()) {
      EXPECT_EQ(pattern->value.size, 16u) << wider;
    }
  }
  EXPECT_EQ(ParsePrefix("::ffff:0:0/96")->value.size, 16u) << "not all of IPv4";
}

TEST(ParsePrefixTest, SaysWhatIsWrong) {
  const struct {
    std::string_view word;
    std::string_view message;
  } cases[] = {
      {"10.0.0.0/33", "`10.0.0.0/33` has no prefix length from 0 to 32 behind the `/`"},
      {"10.0.0.0/", "`10.0.0.0/` has no prefix length from 0 to 32 behind the `/`"},
      {"10.0.0.0/08", "`10.0.0.0/08` has no prefix length from 0 to 32 behind the `/`"},
      {"10.0.0.0/8/8", "`10.0.0.0/8/8` has no prefix length from 0 to 32 behind the `/`"},
      {"10.0.0.0/255.0.0.0",
       "`10.0.0.0/255.0.0.0` has no prefix length from 0 to 32 behind the `/`"},
      {"::/129", "`::/129` has no prefix length from 0 to 128 behind the `/`"},
      {"10.1.2.3/8", "`10.1.2.3/8` has bits set behind the prefix: did you mean `10.0.0.0/8`?"},
      {"2001:db8::1/32",
       "`2001:db8::1/32` has bits set behind the prefix: did you mean `2001:db8::/32`?"},
      {"host/8", "`host` is not an address"},
      {"/8", "`` is not an address"},
  };
  for (const auto& [word, message] : cases) {
    EXPECT_EQ(std::string(ParsePrefix(word).status().message()), message);
  }
}

TEST(ParseNumberTest, TellsNumbersFromNames) {
  EXPECT_EQ(**ParseNumber("0", 9), 0u);
  EXPECT_EQ(**ParseNumber("65535", 65535), 65535u);
  EXPECT_EQ(**ParseNumber("0xFFff", 65535), 65535u);
  EXPECT_EQ(**ParseNumber("0x0050", 65535), 80u);
  EXPECT_FALSE(ParseNumber("smtp", 9)->has_value());
  EXPECT_FALSE(ParseNumber("3com-tsmux", 9)->has_value());
  EXPECT_FALSE(ParseNumber("", 9)->has_value());
  EXPECT_FALSE(ParseNumber("0x", 9)->has_value());
  EXPECT_FALSE(ParseNumber("65536", 65535).ok());
  EXPECT_FALSE(ParseNumber("99999999999999999999999", 65535).ok());
  EXPECT_FALSE(ParseNumber("025", 65535).ok());
}

TEST(ClassMaskTest, FollowsTheFirstBits) {
  EXPECT_EQ(ClassMask(0x00000000), 0xff000000);
  EXPECT_EQ(ClassMask(0x7fffffff), 0xff000000);
  EXPECT_EQ(ClassMask(0x80000000), 0xffff0000);
  EXPECT_EQ(ClassMask(0xbfffffff), 0xffff0000);
  EXPECT_EQ(ClassMask(0xc0000000), 0xffffff00);
  EXPECT_EQ(ClassMask(0xdfffffff), 0xffffff00);
  EXPECT_EQ(ClassMask(0xe0000000), 0u);
  EXPECT_EQ(ClassMask(0xffffffff), 0u);
}

}  // namespace
}  // namespace sluice::server::policy
