#include "server/screen/screeners.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

using std::chrono::milliseconds;

constexpr Screeners::Duration kHoldLimit = milliseconds(1000);

Screeners::Time At(int ms) { return Screeners::Time(milliseconds(100'000 + ms)); }

class FakeStream final : public DeferredVerdictSink {
 public:
  void Answer(const DeferredVerdict& deferred) override {
    EXPECT_EQ(deferred.packet.transaction_id(), deferred.verdict.transaction_id());
    EXPECT_EQ(deferred.verdict.reason(), "by screen");
    EXPECT_FALSE(deferred.policy.has_value());
    EXPECT_GE(deferred.elapsed, Screeners::Duration(0));
    answered.push_back(deferred.verdict.transaction_id());
  }
  void DecideByPolicy(const v1::Packet& packet, Screeners::Duration) override {
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

// A batch whose oldest packet has 50 ms left.
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

class ScreenersTest : public testing::Test {
 protected:
  ScreenersTest() { EXPECT_TRUE(screeners_.Enter("gw", "192.0.2.1:7", &screener_).ok()); }
  bool Present(const v1::PacketBatch& batch, FakeStream* stream, int ms = 0) {
    return screeners_.Present("gw", stream, kHoldLimit, batch, At(ms));
  }

  Screeners screeners_;
  FakeScreener screener_;
  FakeStream stream_;
  FakeStream other_;
};

TEST_F(ScreenersTest, OnlyTheScreenedGatewaysPacketsAreGiven) {
  EXPECT_FALSE(screeners_.Present("gw2", &stream_, kHoldLimit, Batch({1}), At(0)));
  EXPECT_FALSE(screeners_.Screening("gw2"));
  EXPECT_TRUE(screeners_.Screening("gw"));
  EXPECT_TRUE(Present(Batch({2, 3}), &stream_));
  EXPECT_EQ(screener_.given, (Ids{2, 3}));
}

TEST_F(ScreenersTest, AnswersGoToTheStreamThePacketCameOn) {
  Present(Batch({1, 2}), &stream_);
  Present(Batch({3}), &other_);
  screeners_.Answer("gw", Verdicts({3, 1}), At(10));
  EXPECT_EQ(stream_.answered, Ids{1});
  EXPECT_EQ(other_.answered, Ids{3});
  // Each packet is answered once, and only while it waits.
  screeners_.Answer("gw", Verdicts({1, 9}), At(10));
  EXPECT_EQ(stream_.answered, Ids{1});
  EXPECT_EQ(screener_.refused, (Ids{1, 9}));
}

TEST_F(ScreenersTest, ThereIsOneScreenerAGateway) {
  FakeScreener second;
  const absl::Status status = screeners_.Enter("gw", "192.0.2.2:7", &second);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(status.message().find("192.0.2.1:7"), std::string::npos);
  screeners_.Leave("gw", &second, At(0));
  EXPECT_TRUE(screeners_.Screening("gw"));
  screeners_.Leave("gw", &screener_, At(0));
  EXPECT_TRUE(screeners_.Enter("gw", "192.0.2.2:7", &second).ok());
}

TEST_F(ScreenersTest, ThePolicyDecidesWhatTheScreenerLeavesInTime) {
  Present(Batch({1}), &stream_, 0);
  Present(Batch({2, 3}), &stream_, 30);
  screeners_.Answer("gw", Verdicts({2}), At(40));
  screeners_.Leave("gw", &screener_, At(60));
  EXPECT_EQ(stream_.by_policy, Ids{3});
  EXPECT_FALSE(Present(Batch({4}), &stream_, 60));
}

TEST_F(ScreenersTest, UnansweredPacketsGoWhenTheirTimeHasRunOut) {
  v1::PacketBatch batch = Batch({1}, /*waited_us=*/20'000);
  batch.add_packets()->set_transaction_id(2);  // Arrived 20 ms later.
  Present(batch, &stream_);
  screeners_.Expire("gw", At(49));
  EXPECT_EQ(screener_.gone, Ids{});
  screeners_.Expire("gw", At(50));
  EXPECT_EQ(screener_.gone, Ids{1});
  screeners_.Expire("gw", At(70));
  EXPECT_EQ(screener_.gone, (Ids{1, 2}));
  screeners_.Answer("gw", Verdicts({1}), At(71));
  EXPECT_EQ(stream_.answered, Ids{});
  EXPECT_EQ(screener_.refused, Ids{1});
}

TEST_F(ScreenersTest, AHoldGivesMoreTimeUpToTheLimit) {
  Present(Batch({1, 2}), &stream_);
  screeners_.Answer("gw", Verdicts({1}, v1::ACTION_HOLD, 500), At(0));
  screeners_.Answer("gw", Verdicts({2}, v1::ACTION_HOLD, 5000), At(0));
  EXPECT_EQ(stream_.answered, (Ids{1, 2}));
  screeners_.Expire("gw", At(549));
  EXPECT_EQ(screener_.gone, Ids{});
  screeners_.Expire("gw", At(550));
  EXPECT_EQ(screener_.gone, Ids{1});
  screeners_.Expire("gw", At(999));
  EXPECT_EQ(screener_.gone, Ids{1});
  screeners_.Answer("gw", Verdicts({2}), At(999));
  EXPECT_EQ(stream_.answered, (Ids{1, 2, 2}));
}

TEST_F(ScreenersTest, ARefusedHoldHasSettledItsPacket) {
  Present(Batch({1}), &stream_);
  screeners_.Answer("gw", Verdicts({1}, v1::ACTION_HOLD, 500), At(0));
  v1::VerdictErrors errors;
  errors.add_entries()->set_transaction_id(1);
  screeners_.Refuse("gw", errors);
  EXPECT_EQ(screener_.refused, Ids{1});
  screeners_.Leave("gw", &screener_, At(1));
  EXPECT_EQ(stream_.by_policy, Ids{});
}

TEST_F(ScreenersTest, PacketsOfAStreamThatEndsGoAndMayComeAgain) {
  Present(Batch({1, 2}), &stream_);
  Present(Batch({2}), &other_);  // Presented again before the old stream was seen to be dead.
  screeners_.LeaveStream("gw", &stream_);
  EXPECT_EQ(screener_.gone, Ids{1});
  Present(Batch({1}), &other_);
  screeners_.Answer("gw", Verdicts({1, 2}), At(1));
  EXPECT_EQ(stream_.answered, Ids{});
  EXPECT_EQ(other_.answered, (Ids{1, 2}));
}

TEST_F(ScreenersTest, MoreThanCanWaitAreNotGiven) {
  std::vector<uint64_t> ids(Screeners::kMostWaiting + 10);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = i + 1;
  EXPECT_TRUE(Present(Batch(ids), &stream_));
  EXPECT_EQ(screener_.given.size(), Screeners::kMostWaiting);
  EXPECT_TRUE(Present(Batch({90'000}), &stream_));
  EXPECT_EQ(screener_.given.size(), Screeners::kMostWaiting);
  screeners_.Answer("gw", Verdicts({1}), At(1));
  EXPECT_TRUE(Present(Batch({90'001}), &stream_));
  EXPECT_EQ(screener_.given.back(), 90'001u);
}

TEST_F(ScreenersTest, AScreenerThatDoesNotReadGetsNothingThePolicyNeither) {
  screener_.reads = false;
  EXPECT_TRUE(Present(Batch({1}), &stream_));
  screeners_.Leave("gw", &screener_, At(1));
  EXPECT_EQ(stream_.by_policy, Ids{});
}

}  // namespace
}  // namespace sluice::server
