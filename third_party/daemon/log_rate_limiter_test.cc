#include "third_party/daemon/log_rate_limiter.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using std::chrono::milliseconds;

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

TEST(LogRateLimiterTest, AllowsSoManyInAPeriodAndCountsTheRest) {
  LogRateLimiter limit(2, milliseconds(1000));
  const LogRateLimiter::Time start = std::chrono::steady_clock::now();
  EXPECT_EQ(limit.Allow(start), "");
  EXPECT_EQ(limit.Allow(start), "");
  EXPECT_EQ(limit.Allow(start + milliseconds(1)), std::nullopt);
  EXPECT_EQ(limit.Allow(start + milliseconds(999)), std::nullopt);
  EXPECT_EQ(limit.Allow(start + milliseconds(1000)), " (2 lines before it were left out)");
  EXPECT_EQ(limit.Allow(start + milliseconds(1000)), "");
  EXPECT_EQ(limit.Allow(start + milliseconds(1999)), std::nullopt);
}

}  // namespace
}  // namespace sluice
