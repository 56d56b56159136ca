#include "agent/mode/restore_pace.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(RestorePaceTest, RareChangesAreRestoredAtOnceAndEachIsLogged) {
  RestorePace pace;
  for (int64_t now = 0; now < 1'000'000 * kMs; now += 10'000 * kMs) {
    EXPECT_EQ(pace.WaitNs(now), 0);
    const RestorePace::Line line = pace.Restored(now);
    EXPECT_EQ(line.times, 1u);
    EXPECT_FALSE(line.often);
  }
}

TEST(RestorePaceTest, ABurstIsToo) {
  RestorePace pace;
  for (int i = 0; i < RestorePace::kBurst; ++i) {
    EXPECT_EQ(pace.WaitNs(i), 0);
    EXPECT_EQ(pace.Restored(i).times, 1u);
  }
  EXPECT_GT(pace.WaitNs(RestorePace::kBurst), 0);
  EXPECT_LE(pace.WaitNs(RestorePace::kBurst), RestorePace::kIntervalNs);
}

TEST(RestorePaceTest, OneAfterTheOtherIsRestoredAtOnceAndLoggedNowAndThen) {
  RestorePace pace;
  uint64_t lines = 0, told = 0;
  for (int64_t now = 0; now < 60'000 * kMs; now += 110 * kMs) {
    EXPECT_EQ(pace.WaitNs(now), 0);
    const RestorePace::Line line = pace.Restored(now);
    lines += line.times > 0;
    told += line.times;
  }
  EXPECT_LE(lines, 2 * (RestorePace::kBurst + 8));
  EXPECT_GE(told, 450u);
}

// Somebody changes the rules again as soon as they are back.
TEST(RestorePaceTest, WhoeverKeepsChangingThemIsAnsweredTenTimesASecond) {
  RestorePace pace;
  uint64_t restored = 0, lines = 0, told = 0;
  for (int64_t now = 0; now < 60'000 * kMs; now += 15 * kMs) {
    now += pace.WaitNs(now);
    const RestorePace::Line line = pace.Restored(now);
    ++restored;
    lines += line.times > 0;
    told += line.times;
  }
  EXPECT_NEAR(static_cast<double>(restored), 610, 2);
  EXPECT_LE(lines, RestorePace::kBurst + 8);
  EXPECT_LE(restored - told, 100u) << "all but the last ten seconds'";
}

TEST(RestorePaceTest, AfterAPauseItIsAsAtTheStart) {
  RestorePace pace;
  for (int i = 0; i < 30; ++i) pace.Restored(0);
  const int64_t later = 60'000 * kMs;
  EXPECT_EQ(pace.WaitNs(later), 0);
  const RestorePace::Line line = pace.Restored(later);
  EXPECT_GT(line.times, 1u) << "those that were not logged before";
  EXPECT_FALSE(line.often);
  EXPECT_EQ(pace.WaitNs(later), 0);
}

}  // namespace
}  // namespace sluice::agent
