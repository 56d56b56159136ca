#include "agent/packets/hold_time.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sluice::agent {
namespace {

TEST(HoldTimes, IsEmptyAtFirst) {
  v1::HoldTime message;
  HoldTimes().Fill(message);
  EXPECT_EQ(message.count(), 0u);
  EXPECT_EQ(message.max_us(), 0u);
}

TEST(HoldTimes, AgreesWithSortingToWithinSevenPercent) {
  std::minstd_rand random(7);
  for (const int64_t largest : {20, 3'000, 5'000'000, 2'000'000'000}) {
    HoldTimes times;
    std::vector<int64_t> microseconds;
    for (int i = 0; i < 5000; ++i) {
      microseconds.push_back(std::uniform_int_distribution<int64_t>(0, largest)(random));
      times.Add(microseconds.back() * 1000);
    }
    std::sort(microseconds.begin(), microseconds.end());
    v1::HoldTime message;
    times.Fill(message);
    const auto near = [&](uint64_t got, size_t rank) {
      const double exact = static_cast<double>(microseconds[rank - 1]);
      EXPECT_GE(static_cast<double>(got), exact) << largest;
      EXPECT_LE(static_cast<double>(got), exact * 1.07 + 1) << largest;
    };
    near(message.p50_us(), 2500);
    near(message.p90_us(), 4500);
    near(message.p99_us(), 4950);
    EXPECT_EQ(message.max_us(), static_cast<uint64_t>(microseconds.back()));
    EXPECT_EQ(message.count(), 5000u);
  }
}

TEST(HoldTimes, TakesAnyDuration) {
  HoldTimes times;
  times.Add(-5);
  times.Add(INT64_MAX);
  v1::HoldTime message;
  times.Fill(message);
  EXPECT_EQ(message.count(), 2u);
}

}  // namespace
}  // namespace sluice::agent
