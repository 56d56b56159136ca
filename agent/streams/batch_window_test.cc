#include "agent/streams/batch_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace sluice::agent {
namespace {

constexpr int64_t kUs = 1000;
constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

// A window that has measured a round trip, at time 0.
BatchWindow Measured(int64_t round_trip_ns) {
  BatchWindow window;
  window.Send(-round_trip_ns, window.sent() + 1);
  EXPECT_TRUE(window.Acknowledge(1, 0));
  return window;
}

// How many batches leave, each as early as it may, though none is acknowledged.
int UnderWay(BatchWindow& window) {
  int sent = 0;
  for (int64_t opens; (opens = window.Opens()) != INT64_MAX; ++sent)
    window.Send(opens, window.sent() + 1);
  return sent;
}

TEST(BatchWindow, NumbersBatchesFromOne) {
  BatchWindow window;
  EXPECT_LE(window.Opens(), 0);
  EXPECT_EQ(window.Send(0, window.sent() + 1), 1u);
  EXPECT_EQ(window.Opens(), INT64_MAX) << "the round trip is not known yet";
  EXPECT_EQ(window.Send(0, window.sent() + 1), 2u);
  EXPECT_FALSE(window.Acknowledge(3, 0));
  EXPECT_TRUE(window.Acknowledge(2, 5 * kMs));
  EXPECT_TRUE(window.Acknowledge(1, 6 * kMs)) << "said again";
  EXPECT_EQ(window.round_trip_ns(), 5 * kMs);
  window.Reset();
  EXPECT_EQ(window.round_trip_ns(), 0);
  EXPECT_EQ(window.Send(0, window.sent() + 1), 1u);
}

TEST(BatchWindow, AnAnswerAcknowledgesItsBatchAndThoseBefore) {
  BatchWindow window;
  window.Send(0, 10);
  window.Send(0, 11);
  window.Send(0, 20);
  window.Answered(21, 5 * kMs);
  EXPECT_EQ(window.acknowledged(), 0u) << "nobody asked that";
  window.Answered(11, 5 * kMs);
  EXPECT_EQ(window.acknowledged(), 2u);
  window.Answered(11, 5 * kMs);
  window.Answered(3, 5 * kMs);
  EXPECT_EQ(window.acknowledged(), 2u);
  window.Answered(12, 5 * kMs);
  EXPECT_EQ(window.under_way(), 0u);
  EXPECT_EQ(window.round_trip_ns(), 5 * kMs);
}

TEST(BatchWindow, TheRoundTripSaysHowManyAreUnderWayAndHowFarApart) {
  struct Case {
    int64_t round_trip_ns;
    int64_t distance_ns;  // from the second on
    int under_way;
  };
  for (const Case& expected :
       {Case{100 * kUs, 0, 1}, Case{249 * kUs, 0, 1}, Case{1 * kMs, 250 * kUs, 8},
        Case{5 * kMs, 250 * kUs, 40}, Case{8 * kMs, 250 * kUs, 64}, Case{30 * kMs, 937'500, 64},
        Case{320 * kMs, 10 * kMs, 64}, Case{0, 0, 1}}) {
    BatchWindow window = Measured(expected.round_trip_ns);
    BatchWindow spaced = window;
    EXPECT_EQ(UnderWay(window), expected.under_way) << expected.round_trip_ns;
    spaced.Send(0, spaced.sent() + 1);
    EXPECT_EQ(spaced.Opens(), expected.under_way == 1 ? INT64_MAX : expected.distance_ns)
        << expected.round_trip_ns;
  }
}

TEST(BatchWindow, AcknowledgementsMakeRoom) {
  BatchWindow window = Measured(100 * kUs);
  window.Send(0, window.sent() + 1);
  EXPECT_EQ(window.Opens(), INT64_MAX);
  EXPECT_TRUE(window.Acknowledge(2, 100 * kUs));
  EXPECT_LE(window.Opens(), 100 * kUs);
}

// Packets come all the time, and batches are acknowledged a round trip after they were sent: a cap
// alone would let 64 batches leave at once and then none for the rest of the round trip.
TEST(BatchWindow, BatchesKeepTheirDistanceHoweverLongPacketsCome) {
  constexpr int64_t kRoundTrip = 30 * kMs;
  BatchWindow window = Measured(kRoundTrip);
  std::deque<std::pair<uint64_t, int64_t>> under_way;  // and when each is acknowledged
  int64_t last = 0;
  int64_t longest = 0;
  for (int64_t now = 0; now < kSecond; now += 10 * kUs) {
    while (!under_way.empty() && under_way.front().second <= now) {
      ASSERT_TRUE(window.Acknowledge(under_way.front().first, now));
      under_way.pop_front();
    }
    if (window.Opens() > now) continue;
    longest = std::max(longest, now - last);
    last = now;
    under_way.emplace_back(window.Send(now, window.sent() + 1), now + kRoundTrip);
  }
  EXPECT_LE(longest, kMs);
  EXPECT_NEAR(static_cast<double>(window.sent()), 1000.0 / 30 * 32, 60);
}

TEST(BatchWindow, TheShortestRoundTripCountsUntilItIsOld) {
  BatchWindow window = Measured(5 * kMs);
  const auto measure = [&window](int64_t at, int64_t round_trip_ns) {
    EXPECT_TRUE(window.Acknowledge(window.Send(at - round_trip_ns, window.sent() + 1), at));
  };
  measure(10 * kMs, 80 * kMs);
  EXPECT_EQ(window.round_trip_ns(), 5 * kMs) << "it waited, the way is no longer";
  measure(20 * kMs, 4 * kMs);
  EXPECT_EQ(window.round_trip_ns(), 4 * kMs);
  measure(6 * kSecond, 30 * kMs);
  EXPECT_EQ(window.round_trip_ns(), 4 * kMs);
  measure(12 * kSecond, 31 * kMs);
  EXPECT_EQ(window.round_trip_ns(), 30 * kMs);
}

}  // namespace
}  // namespace sluice::agent
