#include "third_party/daemon/rate_limiter.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(RateLimiterTest, AllowsSoManyInAPeriodAndCountsTheRest) {
  RateLimiter limit(2, std::chrono::seconds(1));
  const RateLimiter::Time start = std::chrono::steady_clock::now();
  EXPECT_TRUE(limit.Allow(start));
  EXPECT_TRUE(limit.Allow(start));
  EXPECT_FALSE(limit.Allow(start + std::chrono::milliseconds(999)));
  EXPECT_TRUE(limit.Allow(start + std::chrono::seconds(1)));
  EXPECT_EQ(limit.TakeLeftOut(), 1u);
  EXPECT_EQ(limit.TakeLeftOut(), 0u);
}

}  // namespace
}  // namespace sluice
