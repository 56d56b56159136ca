#include "server/edge/token_bucket.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::server {
namespace {

using Time = TokenBucket::Time;
using std::chrono::milliseconds;

int TakeAll(TokenBucket* bucket, Time now) {
  int taken = 0;
  while (bucket->Take(now)) ++taken;
  return taken;
}

TEST(TokenBucketTest, AllowsABurstThenTheRate) {
  TokenBucket bucket(10, 5);
  Time now = Time() + std::chrono::hours(1);
  EXPECT_EQ(TakeAll(&bucket, now), 2 * 5);  // As its comment says.
  EXPECT_EQ(TakeAll(&bucket, now), 0);
  now += milliseconds(99);
  EXPECT_EQ(TakeAll(&bucket, now), 0);
  now += milliseconds(1);
  EXPECT_EQ(TakeAll(&bucket, now), 1);
  now += milliseconds(300);
  EXPECT_EQ(TakeAll(&bucket, now), 3);
}

TEST(TokenBucketTest, KeepsNoMoreThanABurst) {
  TokenBucket bucket(10, 5);
  Time now = Time() + std::chrono::hours(1);
  TakeAll(&bucket, now);
  now += std::chrono::hours(1);
  EXPECT_EQ(TakeAll(&bucket, now), 5);
}

TEST(TokenBucketTest, AllowsNothing) {
  TokenBucket bucket(0, 0);
  EXPECT_FALSE(bucket.Take(Time() + std::chrono::hours(1)));
  EXPECT_FALSE(bucket.Take(Time() + std::chrono::hours(2)));
}

// Whatever the times: never more than two bursts and what the rate gives, in any stretch of time;
// and about the rate, if somebody keeps asking.
TEST(TokenBucketTest, HoldsItsPromiseInEveryStretchOfTime) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    const uint32_t a_second = 1 + random() % 50;
    const uint32_t at_once = 1 + random() % 20;
    TokenBucket bucket(a_second, at_once);
    Time now = Time() + std::chrono::hours(1);
    std::vector<Time> taken;
    for (int i = 0; i < 300; ++i) {
      now += milliseconds(random() % 4 == 0 ? random() % 2000 : random() % 5);
      if (bucket.Take(now)) taken.push_back(now);
    }
    for (size_t from = 0; from < taken.size(); ++from) {
      for (size_t to = from; to < taken.size(); ++to) {
        const std::chrono::duration<double> time = taken[to] - taken[from];
        ASSERT_LE(static_cast<double>(to - from + 1), 2 * at_once + time.count() * a_second + 1e-6)
            << a_second << " a second, " << at_once << " at once";
      }
    }
    const Time begin = now;
    uint32_t allowed = 0;
    while (now < begin + std::chrono::seconds(10)) {
      now += milliseconds(1);
      if (bucket.Take(now)) ++allowed;
    }
    ASSERT_GE(allowed + 1, 9 * a_second);
  }
}

}  // namespace
}  // namespace sluice::server
