#include "clients/cli/format/text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace sluice::cli {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

TEST(DisplayWidth, CountsCharacters) {
  EXPECT_EQ(DisplayWidth("Zürich"), 6u);
  EXPECT_EQ(DisplayWidth(""), 0u);
}

TEST(FormatMicroseconds, PicksTheUnit) {
  EXPECT_EQ(FormatMicroseconds(0), "0us");
  EXPECT_EQ(FormatMicroseconds(999), "999us");
  EXPECT_EQ(FormatMicroseconds(12'345), "12.3ms");
  EXPECT_EQ(FormatMicroseconds(1'500'000), "1.50s");
}

TEST(FormatAge, PicksTheUnits) {
  EXPECT_EQ(FormatAge(seconds(4)), "4s");
  EXPECT_EQ(FormatAge(seconds(200)), "3m20s");
  EXPECT_EQ(FormatAge(seconds(5 * 3600 + 7 * 60)), "5h07m");
  EXPECT_EQ(FormatAge(seconds(12 * 86400 + 4 * 3600)), "12d04h");
}

TEST(FormatCount, StaysShort) {
  EXPECT_EQ(FormatCount(9999), "9999");
  EXPECT_EQ(FormatCount(12'345), "12.3k");
  EXPECT_EQ(FormatCount(999'999), "1.00M");
  EXPECT_EQ(FormatCount(4'560'000), "4.56M");
  EXPECT_EQ(FormatCount(UINT64_MAX), "18E");
}

class Times : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }

  static google::protobuf::Timestamp At(int64_t s, int32_t nanos = 0) {
    google::protobuf::Timestamp time;
    time.set_seconds(s);
    time.set_nanos(nanos);
    return time;
  }
};

TEST_F(Times, NearOnesShowMillisecondsFarOnesTheDate) {
  const auto now = system_clock::from_time_t(1'800'000'000);  // 2027-01-15 08:00:00
  EXPECT_EQ(FormatTime(At(1'800'000'000, 123'000'000), now), "08:00:00.123");
  EXPECT_EQ(FormatTime(At(1'800'000'000 - 43'200), now), "20:00:00.000");
  EXPECT_EQ(FormatTime(At(1'800'000'000 - 43'201), now), "01-14 19:59:59");
  EXPECT_EQ(FormatTime({}, now), "-");
}

TEST_F(Times, AgeIsNeverNegative) {
  const auto now = system_clock::from_time_t(1000);
  EXPECT_EQ(Age(At(400), now), seconds(600));
  EXPECT_EQ(Age(At(2000), now), seconds(0));
  EXPECT_EQ(Age({}, now), seconds(0));
}

}  // namespace
}  // namespace sluice::cli
