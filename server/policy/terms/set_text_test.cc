#include "server/policy/terms/set_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::server::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Each address as "ADDRESS/LENGTH", or what is wrong.
std::vector<std::string> Read(std::string_view text) {
  const auto patterns = ParseSetText(text, "/s");
  if (!patterns.ok()) return {std::string(patterns.status().message())};
  std::vector<std::string> words;
  for (const AddressPattern& pattern : *patterns) {
    unsigned length = 0;
    for (const uint8_t byte : pattern.mask) {
      length += static_cast<unsigned>(__builtin_popcount(byte));
    }
    words.push_back(pattern.value.ToString() + "/" + std::to_string(length));
  }
  return words;
}

TEST(SetTextTest, ListsAsTheyArePublished) {
  // As Spamhaus publishes them.
  EXPECT_THAT(Read("; Spamhaus DROP List 2026/11/21\n; Expires: Sat\n"
                   "192.0.2.0/24 ; SBL1\n198.51.100.0/24;SBL2\n"),
              ElementsAre("192.0.2.0/24", "198.51.100.0/24"));
  // As FireHOL does.
  EXPECT_THAT(Read("#\n# firehol_level1\n#\n# hash:net\n\n192.0.2.0/24\n192.0.2.7\n"),
              ElementsAre("192.0.2.0/24", "192.0.2.7/32"));
  // As IPsum does, with the number of lists that have the address.
  EXPECT_THAT(Read("# IPsum\n192.0.2.7\t10\n2001:db8::7 3\n"),
              ElementsAre("192.0.2.7/32", "2001:db8::7/128"));
  EXPECT_THAT(Read("192.0.2.0/24 7 # both\n"), ElementsAre("192.0.2.0/24"));
}

TEST(SetTextTest, Ranges) {
  EXPECT_THAT(Read("10.0.0.1-10.0.0.2\n10.0.0.8 - 10.0.0.9\t4\n"),
              ElementsAre("10.0.0.1/32", "10.0.0.2/32", "10.0.0.8/31"));
  EXPECT_THAT(Read("2001:db8::-2001:db8::ff"), ElementsAre("2001:db8::/120"));
  EXPECT_THAT(Read("::ffff:10.0.0.0-::ffff:10.0.0.255"), ElementsAre("10.0.0.0/24"));
  EXPECT_THAT(Read("::ffff:0:0-::ffff:ffff:ffff"), ElementsAre("::ffff:0.0.0.0/96"));
  EXPECT_THAT(Read("0.0.0.0-255.255.255.255"), ElementsAre("0.0.0.0/0"));
}

TEST(SetTextTest, LinesEndAsOnAnySystem) {
  EXPECT_THAT(Read("# a\r\n10.0.0.1\r\n\r\n10.0.0.2\r\n"),
              ElementsAre("10.0.0.1/32", "10.0.0.2/32"));
  EXPECT_THAT(Read("# a\r10.0.0.1\r\r10.0.0.2"), ElementsAre("10.0.0.1/32", "10.0.0.2/32"));
  EXPECT_THAT(Read("10.0.0.1\r\n10.0.0.2\rx\n"),
              ElementsAre("line 3 of `/s`: it has no address, prefix or range, and is no comment "
                          "(`#` or `;`)"));
  EXPECT_THAT(Read("\xef\xbb\xbf"
                   "10.0.0.1\n"),
              ElementsAre("10.0.0.1/32"));
  EXPECT_THAT(Read("\xef\xbb\xbf# none"), IsEmpty());
  EXPECT_THAT(Read(std::string_view("\xff\xfe\x31\0", 4)),
              ElementsAre("`/s` is UTF-16 text: save it as UTF-8"));
}

TEST(SetTextTest, SaysWhichLineAndWhy) {
  const std::string none = "it has no address, prefix or range, and is no comment (`#` or `;`)";
  const std::string behind =
      "behind the address, there is something that is neither a number nor a comment";
  struct Case {
    std::string text;
    std::string why;
  };
  const Case cases[] = {
      {"secret", none},
      {"secret/24", none},
      {"10.0.0", none},
      {"10.0.0.1-secret", none},
      {"-", none},
      {"10.0.0.1-", none},
      {"10.0.0.1 - 5", none},
      {"7 10.0.0.1", behind},
      {"10.0.0.1 secret", behind},
      {"10.0.0.1 10.0.0.2", behind},
      {"10.0.0.1 1 2", behind},
      {"10.0.0.0/8 secret", "behind the `/`, there is no prefix length from 0 to 32"},
      {"10.0.0.0/33", "behind the `/`, there is no prefix length from 0 to 32"},
      {"10.0.0.0/255.0.0.0", "behind the `/`, there is no prefix length from 0 to 32"},
      {"2001:db8::/129", "behind the `/`, there is no prefix length from 0 to 128"},
      {"10.0.0.1/8", "`10.0.0.1/8` has bits set behind the prefix: did you mean `10.0.0.0/8`?"},
      {"10.0.0.9-10.0.0.1", "the range ends before it begins"},
      {"10.0.0.9-::1", "the range has an IPv4 and an IPv6 address at its ends"},
  };
  for (const Case& wrong : cases) {
    EXPECT_THAT(Read("# a list\n" + wrong.text + "\n"),
                ElementsAre("line 2 of `/s`: " + wrong.why));
  }
}

TEST(SetTextTest, StopsBehindTheMost) {
  std::string text;
  for (size_t i = 0; i <= kMostSetAddresses / 62; ++i) text += "0.0.0.1-255.255.255.254\n";
  const auto patterns = ParseSetText(text + "behind the most", "/s");
  ASSERT_TRUE(patterns.ok()) << patterns.status();
  EXPECT_GT(patterns->size(), kMostSetAddresses);
}

}  // namespace
}  // namespace sluice::server::policy
