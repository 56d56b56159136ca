#include "agent/streams/durations.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice::agent {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kCentury = int64_t{100} * 365 * 24 * 3600 * kSecond;

TEST(DurationsTest, FarOnesAreACentury) {
  const struct {
    int64_t seconds;
    int32_t nanos;
    int64_t nanoseconds;
  } cases[] = {
      {0, 0, 0},
      {0, 1, 1},
      {2, 500'000'000, 2'500'000'000},
      {-2, -500'000'000, -2'500'000'000},
      {1, -1, kSecond - 1},
      {24 * 3600, 0, 24 * 3600 * kSecond},
      {0, INT32_MAX, kSecond - 1},
      {0, INT32_MIN, 1 - kSecond},
      {INT64_MAX, INT32_MAX, kCentury + kSecond - 1},
      {INT64_MIN, INT32_MIN, -kCentury - kSecond + 1},
  };
  for (const auto& one : cases) {
    google::protobuf::Duration duration;
    duration.set_seconds(one.seconds);
    duration.set_nanos(one.nanos);
    EXPECT_EQ(Nanoseconds(duration), one.nanoseconds) << one.seconds << " s " << one.nanos << " ns";
  }
  EXPECT_GT(INT64_MAX - kCentury, kCentury) << "may be added to a clock";
}

}  // namespace
}  // namespace sluice::agent
