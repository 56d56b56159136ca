#include "server/screen/screens.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

using std::chrono::milliseconds;

constexpr Screens::Duration kHoldLimit = milliseconds(1000);

Screens::Time At(int ms) { return Screens::Time(milliseconds(100'000 + ms)); }

class FakeStream final : public LateAnswered {
 public:
  void Answer(const LateVerdict& late) override {
    EXPECT_EQ(late.packet.transaction_id(), late.verdict.transaction_id());
    EXPECT_EQ(late.verdict.reason(), "by screen");
    EXPECT_FALSE(late.policy.has_value());
    EXPECT_GE(late.elapsed, Screens::Duration(0));
    answered.push_back(late.verdict.transaction_id());
  }
  void DecideByPolicy(const v1::Packet& packet, Screens::Duration) override {
    by_policy.push_back(packet.transaction_id());
  }
  std::vector<uint64_t> answered;
  std::vector<uint64_t> by_policy;
};

class FakeScreener final : public Screener {
 public:
  bool Give(const v1::PacketBatch& batch) override {
    if (!reads) return false;
    for (const auto& packet : batch.packets()) given.push_back(packet.transaction_id());
    return true;
  }
  void Gone(const std::vector<uint64_t>& ids) override {
    gone.insert(gone.end(), ids.begin(), ids.end());
  }
  void Refused(const v1::VerdictErrors& errors) override {
    for (const auto& entry : errors.entries()) refused.push_back(entry.transaction_id());
  }
  bool reads = true;
  std::vector<uint64_t> given;
  std::vector<uint64_t> gone;
  std::vector<uint64_t> refused;
};

// With 50 ms left for the oldest.
v1::PacketBatch Batch(const std::vector<uint64_t>& ids, uint32_t waited_us = 0) {
  v1::PacketBatch batch;
  batch.mutable_time_left()->set_nanos(50'000'000);
  for (const uint64_t id : ids) {
    batch.add_packets()->set_transaction_id(id);
    batch.mutable_packets(batch.packets_size() - 1)->set_waited_us(waited_us);
  }
  return batch;
}

v1::VerdictBatch Verdicts(const std::vector<uint64_t>& ids, v1::Action action = v1::ACTION_ACCEPT,
                          int hold_ms = 0) {
  v1::VerdictBatch batch;
  for (const uint64_t id : ids) {
    v1::Verdict* verdict = batch.add_verdicts();
    verdict->set_transaction_id(id);
    verdict->set_action(action);
    verdict->mutable_hold_for()->set_seconds(hold_ms / 1000);
    verdict->mutable_hold_for()->set_nanos(hold_ms % 1000 * 1'000'000);
  }
  return batch;
}

using Ids = std::vector<uint64_t>;

class ScreensTest : public testing::Test {
 protected:
  ScreensTest() { EXPECT_TRUE(screens_.Enter("gw", "192.0.2.1:7", &screener_).ok()); }
  bool Present(const v1::PacketBatch& batch, FakeStream* stream, int ms = 0) {
    return screens_.Present("gw", stream, kHoldLimit, batch, At(ms));
  }

  Screens screens_;
  FakeScreener screener_;
  FakeStream stream_;
  FakeStream other_;
};

TEST_F(ScreensTest, OnlyTheScreenedGatewaysPacketsAreGiven) {
  EXPECT_FALSE(screens_.Present("gw2", &stream_, kHoldLimit, Batch({1}), At(0)));
  EXPECT_FALSE(screens_.Screening("gw2"));
  EXPECT_TRUE(screens_.Screening("gw"));
  EXPECT_TRUE(Present(Batch({2, 3}), &stream_));
  EXPECT_EQ(screener_.given, (Ids{2, 3}));
}

TEST_F(ScreensTest, AnswersGoToTheStreamThePacketCameOn) {
  Present(Batch({1, 2}), &stream_);
  Present(Batch({3}), &other_);
  screens_.Answer("gw", Verdicts({3, 1}), At(10));
  EXPECT_EQ(stream_.answered, Ids{1});
  EXPECT_EQ(other_.answered, Ids{3});
  // Once each, and only what waits.
  screens_.Answer("gw", Verdicts({1, 9}), At(10));
  EXPECT_EQ(stream_.answered, Ids{1});
  EXPECT_EQ(screener_.refused, (Ids{1, 9}));
}

TEST_F(ScreensTest, ThereIsOneScreenerAGateway) {
  FakeScreener second;
  const grpc::Status status = screens_.Enter("gw", "192.0.2.2:7", &second);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_NE(status.error_message().find("192.0.2.1:7"), std::string::npos);
  screens_.Leave("gw", &second, At(0));
  EXPECT_TRUE(screens_.Screening("gw"));
  screens_.Leave("gw", &screener_, At(0));
  EXPECT_TRUE(screens_.Enter("gw", "192.0.2.2:7", &second).ok());
}

TEST_F(ScreensTest, ThePolicyDecidesWhatTheScreenerLeavesInTime) {
  Present(Batch({1}), &stream_, 0);
  Present(Batch({2, 3}), &stream_, 30);
  screens_.Answer("gw", Verdicts({2}), At(40));
  screens_.Leave("gw", &screener_, At(60));
  EXPECT_EQ(stream_.by_policy, Ids{3});
  EXPECT_FALSE(Present(Batch({4}), &stream_, 60));
}

TEST_F(ScreensTest, UnansweredPacketsGoWhenTheirTimeHasRunOut) {
  v1::PacketBatch batch = Batch({1}, /*waited_us=*/20'000);
  batch.add_packets()->set_transaction_id(2);  // Arrived 20 ms later.
  Present(batch, &stream_);
  screens_.Expire("gw", At(49));
  EXPECT_EQ(screener_.gone, Ids{});
  screens_.Expire("gw", At(50));
  EXPECT_EQ(screener_.gone, Ids{1});
  screens_.Expire("gw", At(70));
  EXPECT_EQ(screener_.gone, (Ids{1, 2}));
  screens_.Answer("gw", Verdicts({1}), At(71));
  EXPECT_EQ(stream_.answered, Ids{});
  EXPECT_EQ(screener_.refused, Ids{1});
}

TEST_F(ScreensTest, AHoldGivesMoreTimeUpToTheLimit) {
  Present(Batch({1, 2}), &stream_);
  screens_.Answer("gw", Verdicts({1}, v1::ACTION_HOLD, 500), At(0));
  screens_.Answer("gw", Verdicts({2}, v1::ACTION_HOLD, 5000), At(0));
  EXPECT_EQ(stream_.answered, (Ids{1, 2}));
  screens_.Expire("gw", At(549));
  EXPECT_EQ(screener_.gone, Ids{});
  screens_.Expire("gw", At(550));
  EXPECT_EQ(screener_.gone, Ids{1});
  screens_.Expire("gw", At(999));
  EXPECT_EQ(screener_.gone, Ids{1});
  screens_.Answer("gw", Verdicts({2}), At(999));
  EXPECT_EQ(stream_.answered, (Ids{1, 2, 2}));
}

TEST_F(ScreensTest, ARefusedHoldHasSettledItsPacket) {
  Present(Batch({1}), &stream_);
  screens_.Answer("gw", Verdicts({1}, v1::ACTION_HOLD, 500), At(0));
  v1::VerdictErrors errors;
  errors.add_entries()->set_transaction_id(1);
  screens_.Refuse("gw", errors);
  EXPECT_EQ(screener_.refused, Ids{1});
  screens_.Leave("gw", &screener_, At(1));
  EXPECT_EQ(stream_.by_policy, Ids{});
}

TEST_F(ScreensTest, PacketsOfAStreamThatEndsGoAndMayComeAgain) {
  Present(Batch({1, 2}), &stream_);
  Present(Batch({2}), &other_);  // Presented again before the old stream was seen to be dead.
  screens_.LeaveStream("gw", &stream_);
  EXPECT_EQ(screener_.gone, Ids{1});
  Present(Batch({1}), &other_);
  screens_.Answer("gw", Verdicts({1, 2}), At(1));
  EXPECT_EQ(stream_.answered, Ids{});
  EXPECT_EQ(other_.answered, (Ids{1, 2}));
}

TEST_F(ScreensTest, MoreThanCanWaitAreNotGiven) {
  std::vector<uint64_t> ids(Screens::kMostWaiting + 10);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = i + 1;
  EXPECT_TRUE(Present(Batch(ids), &stream_));
  EXPECT_EQ(screener_.given.size(), Screens::kMostWaiting);
  EXPECT_TRUE(Present(Batch({90'000}), &stream_));
  EXPECT_EQ(screener_.given.size(), Screens::kMostWaiting);
  screens_.Answer("gw", Verdicts({1}), At(1));
  EXPECT_TRUE(Present(Batch({90'001}), &stream_));
  EXPECT_EQ(screener_.given.back(), 90'001u);
}

TEST_F(ScreensTest, AScreenerThatDoesNotReadGetsNothingThePolicyNeither) {
  screener_.reads = false;
  EXPECT_TRUE(Present(Batch({1}), &stream_));
  screens_.Leave("gw", &screener_, At(1));
  EXPECT_EQ(stream_.by_policy, Ids{});
}

}  // namespace
}  // namespace sluice::server
