#include "agent/packets/arrival_clock.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kRealtime = 1'700'000'000'000 * kMs;

class ArrivalClockTest : public testing::Test {
 protected:
  ArrivalClockTest() {
    clock_.BeginTurn(1000 * kMs, kRealtime);
    clock_.Drained();
  }
  ArrivalClock clock_;
};

TEST_F(ArrivalClockTest, TakesTheKernelsStamp) {
  clock_.BeginTurn(1100 * kMs, kRealtime + 100 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 70 * kMs), 1070 * kMs);
}

TEST_F(ArrivalClockTest, WithoutAStampAPacketHasJustArrived) {
  clock_.BeginTurn(1100 * kMs, kRealtime + 100 * kMs);
  EXPECT_EQ(clock_.Arrival(std::nullopt), 1100 * kMs);
}

TEST_F(ArrivalClockTest, AStoppedAgentSeesTheAge) {
  clock_.BeginTurn(11'000 * kMs, kRealtime + 10'000 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 500 * kMs), 1500 * kMs);
}

TEST_F(ArrivalClockTest, NoPacketIsOlderThanTheLastEmptyQueueOrYoungerThanNow) {
  clock_.BeginTurn(1100 * kMs, kRealtime + 100 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime - 5000 * kMs), 1000 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 5000 * kMs), 1100 * kMs);
}

TEST_F(ArrivalClockTest, AStepOfTheClockAgesNoPacket) {
  clock_.BeginTurn(1100 * kMs, kRealtime + 3'600'100 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 90 * kMs), 1100 * kMs);
  // Other packets that were stamped before the step may still be queued.
  clock_.BeginTurn(1101 * kMs, kRealtime + 3'600'101 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 95 * kMs), 1101 * kMs);
  // Once those are read, stamps are in the new time.
  clock_.Drained();
  clock_.BeginTurn(1200 * kMs, kRealtime + 3'600'200 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 3'600'150 * kMs), 1150 * kMs);
}

TEST_F(ArrivalClockTest, SlewingIsNoStep) {
  // 500 ppm over ten minutes.
  clock_.BeginTurn(601'000 * kMs, kRealtime + 600'300 * kMs);
  EXPECT_EQ(clock_.Arrival(kRealtime + 600'200 * kMs), 600'900 * kMs);
}

}  // namespace
}  // namespace sluice::agent
