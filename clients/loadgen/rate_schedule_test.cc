#include "clients/loadgen/rate_schedule.h"

#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(RateScheduleTest, TheFirstIsDueAtTheStart) {
  RateSchedule schedule(10, 5 * kSecond);
  EXPECT_EQ(schedule.NextDue(), 5 * kSecond);
  EXPECT_EQ(schedule.Take(5 * kSecond - 1), 0u);
  EXPECT_EQ(schedule.Take(5 * kSecond), 1u);
  EXPECT_EQ(schedule.Take(5 * kSecond), 0u);
  EXPECT_EQ(schedule.NextDue(), 5 * kSecond + kSecond / 10);
}

TEST(RateScheduleTest, WhatWasMissedIsDueAtOnce) {
  RateSchedule schedule(1000, 0);
  EXPECT_EQ(schedule.Take(0), 1u);
  EXPECT_EQ(schedule.Take(kSecond / 2), 500u);
  EXPECT_EQ(schedule.Take(kSecond), 500u);
}

TEST(RateScheduleTest, RoundingDoesNotAddUp) {
  for (const double rate : {0.5, 3.0, 7.0, 30'000.0, 1e6 / 3}) {
    RateSchedule schedule(rate, 123);
    uint64_t count = 0;
    for (int64_t now = 123; now < 123 + 4 * kSecond; now += 999'999) count += schedule.Take(now);
    count += schedule.Take(123 + 4 * kSecond - 1);
    EXPECT_NEAR(static_cast<double>(count), 4 * rate, 1) << rate;
  }
}

}  // namespace
}  // namespace sluice::loadgen
