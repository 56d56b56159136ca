#include "clients/loadgen/round_trips.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sluice::loadgen {
namespace {

TEST(RoundTripsTest, NoneIsZero) {
  const RoundTrips none;
  EXPECT_EQ(none.count(), 0u);
  EXPECT_EQ(none.Percentile(0.5), 0);
  EXPECT_EQ(none.max_ns(), 0);
}

TEST(RoundTripsTest, OneIsEveryPercentile) {
  for (const int64_t ns :
       {int64_t{0}, int64_t{1}, int64_t{63}, int64_t{64}, int64_t{123'456'789}, int64_t{1} << 39}) {
    RoundTrips one;
    one.Record(ns);
    for (const double share : {0.0, 0.5, 0.99, 1.0}) EXPECT_EQ(one.Percentile(share), ns);
  }
}

TEST(RoundTripsTest, WhatIsOutOfReachIsBounded) {
  RoundTrips times;
  times.Record(-5);
  EXPECT_EQ(times.Percentile(1), 0);
  times.Record(INT64_MAX);
  EXPECT_EQ(times.max_ns(), INT64_MAX);
  EXPECT_EQ(times.Percentile(1), (int64_t{1} << 40) - 1);
}

TEST(RoundTripsTest, PercentilesAreThoseOfTheSortedTimes) {
  std::minstd_rand random(7);
  std::lognormal_distribution<double> distribution(13, 3);
  RoundTrips half, other;
  std::vector<int64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(static_cast<int64_t>(distribution(random)));
    (i % 2 == 0 ? half : other).Record(all.back());
  }
  half.Add(other);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(half.count(), all.size());
  EXPECT_EQ(half.max_ns(), all.back());
  for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto exact = static_cast<double>(all[static_cast<size_t>(share * 20'000) - 1]);
    EXPECT_NEAR(static_cast<double>(half.Percentile(share)), exact, exact / 64 + 1) << share;
  }
}

}  // namespace
}  // namespace sluice::loadgen
