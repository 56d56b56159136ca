#include "server/trials/trial_budget.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sluice::server {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class TrialBudgetTest : public testing::Test {
 protected:
  // Works for so long, unless it rests; returns whether it worked.
  bool Work(TrialBudget::Duration time) {
    if (budget_.Resting(now_)) return false;
    budget_.Spend(now_, now_ + time);
    now_ += time;
    return true;
  }
  // How long it works, a step after the other, until it rests.
  TrialBudget::Duration WorkUntilRest(TrialBudget::Duration step) {
    TrialBudget::Duration worked(0);
    while (Work(step)) worked += step;
    return worked;
  }
  TrialBudget::Duration Rest() {
    TrialBudget::Duration rested(0);
    for (; budget_.Resting(now_); now_ += milliseconds(1)) rested += milliseconds(1);
    return rested;
  }

  TrialBudget budget_;
  TrialBudget::Time now_{std::chrono::hours(1)};
};

TEST_F(TrialBudgetTest, MayTakeSoMuchAtOnce) {
  EXPECT_FALSE(budget_.Resting(now_));
  // While it works, it gets a tenth of that time again.
  EXPECT_GE(WorkUntilRest(microseconds(10)), TrialBudget::kAtOnce);
  EXPECT_LE(WorkUntilRest(microseconds(10)), TrialBudget::kAtOnce * 12 / 10);
}

TEST_F(TrialBudgetTest, GetsItsPartOverTime) {
  WorkUntilRest(microseconds(100));
  TrialBudget::Duration worked(0);
  const auto begin = now_;
  while (now_ - begin < seconds(10)) {
    Rest();
    worked += WorkUntilRest(microseconds(100));
  }
  EXPECT_NEAR(std::chrono::duration<double>(worked) / std::chrono::duration<double>(now_ - begin),
              1.0 / TrialBudget::kPart, 0.01);
}

TEST_F(TrialBudgetTest, WhatWasTakenTooMuchIsRestedOff) {
  while (Work(TrialBudget::kLongestPacket)) {
  }
  const auto rested = Rest();
  EXPECT_GE(rested, TrialBudget::kAfterRest * TrialBudget::kPart);
  EXPECT_LE(rested, (TrialBudget::kAfterRest + TrialBudget::kLongestPacket) * TrialBudget::kPart);
}

TEST_F(TrialBudgetTest, ThatOthersHadTheProcessorIsNotItsFault) {
  Work(std::chrono::seconds(10));
  EXPECT_FALSE(budget_.Resting(now_));
}

TEST_F(TrialBudgetTest, WhoIsIdleSavesNothingUp) {
  Work(milliseconds(1));
  now_ += std::chrono::hours(24);
  EXPECT_LE(WorkUntilRest(microseconds(10)), TrialBudget::kAtOnce * 12 / 10);
}

TEST_F(TrialBudgetTest, CheapWorkNeverRests) {
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(Work(microseconds(1)));
    now_ += microseconds(19);
  }
}

}  // namespace
}  // namespace sluice::server
