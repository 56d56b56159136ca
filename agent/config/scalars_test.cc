#include "agent/config/scalars.h"

#include <gtest/gtest.h>

#include <limits>

namespace sluice::agent {
namespace {

TEST(ParseNumberTest, TakesDecimalAndHex) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("8192"), 8192u);
  EXPECT_EQ(ParseNumber("0xff000000"), 0xff000000u);
  EXPECT_EQ(ParseNumber("0XFF"), 255u);
  EXPECT_EQ(ParseNumber("18446744073709551615"), std::numeric_limits<uint64_t>::max());
}

TEST(ParseNumberTest, TakesNothingElse) {
  for (const char* text : {"", "-1", "+1", "010", "1.0", "1e3", " 1", "1 ", "one", "0x", "0x0x1",
                           "0x-1", "0x1ffffffffffffffff", "18446744073709551616", "1_000", "0b1"}) {
    EXPECT_EQ(ParseNumber(text), std::nullopt) << text;
  }
}

TEST(ParseBytesTest, TakesSuffixes) {
  EXPECT_EQ(ParseBytes("1048576"), 1048576u);
  EXPECT_EQ(ParseBytes("4KiB"), 4096u);
  EXPECT_EQ(ParseBytes("64MiB"), 64u << 20);
  EXPECT_EQ(ParseBytes("1GiB"), 1u << 30);
  for (const char* text :
       {"64MB", "64M", "MiB", "1.5MiB", "64 MiB", "0x1MiB", "99999999999999GiB"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
}

TEST(ParseTimeTest, NeedsAUnit) {
  EXPECT_EQ(ParseTime("50ms"), absl::Milliseconds(50));
  EXPECT_EQ(ParseTime("1.5s"), absl::Milliseconds(1500));
  EXPECT_EQ(ParseTime("1m30s"), absl::Seconds(90));
  for (const char* text : {"", "50", "ms", "-1s", "inf", "1.5.5s", "1 s", "1d", "50msx",
                           "999999999999999999999999h"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
  }
}

TEST(ParseBoolTest, TakesTwoWords) {
  EXPECT_EQ(ParseBool("true"), true);
  EXPECT_EQ(ParseBool("false"), false);
  for (const char* text : {"on", "off", "yes", "no", "True", "1", ""}) {
    EXPECT_EQ(ParseBool(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sluice::agent
