#include "agent/arrival_clock.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kEpoch = 1'700'000'000'000 * kMs;

class ArrivalClockTest : public testing::Test {
 protected:
  ArrivalClockTest() {
    clock_.BeginTurn(1000 * kMs, kEpoch);
    clock_.Drained();
  }
  ArrivalClock clock_;
};

TEST_F(ArrivalClockTest, TakesTheKernelsStamp) {
  clock_.BeginTurn(1100 * kMs, kEpoch + 100 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 70 * kMs), 1070 * kMs);
}

TEST_F(ArrivalClockTest, WithoutAStampAPacketHasJustArrived) {
  clock_.BeginTurn(1100 * kMs, kEpoch + 100 * kMs);
  EXPECT_EQ(clock_.Arrival(std::nullopt), 1100 * kMs);
}

TEST_F(ArrivalClockTest, AStoppedAgentSeesTheAge) {
  clock_.BeginTurn(11'000 * kMs, kEpoch + 10'000 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 500 * kMs), 1500 * kMs);
}

TEST_F(ArrivalClockTest, NoPacketIsOlderThanTheLastEmptyQueueOrYoungerThanNow) {
  clock_.BeginTurn(1100 * kMs, kEpoch + 100 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch - 5000 * kMs), 1000 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 5000 * kMs), 1100 * kMs);
}

TEST_F(ArrivalClockTest, AStepOfTheClockAgesNoPacket) {
  clock_.BeginTurn(1100 * kMs, kEpoch + 3'600'100 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 90 * kMs), 1100 * kMs);
  // Others that were stamped before it may still be queued.
  clock_.BeginTurn(1101 * kMs, kEpoch + 3'600'101 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 95 * kMs), 1101 * kMs);
  // Once they are read, stamps are of the new time.
  clock_.Drained();
  clock_.BeginTurn(1200 * kMs, kEpoch + 3'600'200 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 3'600'150 * kMs), 1150 * kMs);
}

TEST_F(ArrivalClockTest, SlewingIsNoStep) {
  // 500 ppm over ten minutes.
  clock_.BeginTurn(601'000 * kMs, kEpoch + 600'300 * kMs);
  EXPECT_EQ(clock_.Arrival(kEpoch + 600'200 * kMs), 600'900 * kMs);
}

}  // namespace
}  // namespace sluice::agent
