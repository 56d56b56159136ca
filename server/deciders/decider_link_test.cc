#include "server/deciders/decider_link.h"

#include <gtest/gtest.h>

#include <string>

#include "server/deciders/fake_deciders.h"

namespace sluice::server {
namespace {

using std::chrono::milliseconds;

class DeciderLinkTest : public testing::Test, protected DeciderLink::Listener {
 protected:
  DeciderLinkTest() {
    hello_.set_relay(true);
    link_.Run(At(0));
  }

  void OnPolicy(DeciderLink*, const std::string& version) override { policies_.push_back(version); }
  void OnVerdicts(DeciderLink*, const v1::VerdictBatch& batch, Question::Time) override {
    verdicts_ += batch.verdicts_size();
  }
  void OnLost(DeciderLink*, Question::Time) override { ++lost_; }

  // Welcomes the link; its first heartbeat is sent at `ms` and not echoed.
  void Connect(int64_t ms = 0) {
    ASSERT_EQ(deciders_.Read("x", At(ms)).size(), 1u);
    deciders_.Welcome("x", At(ms), "7");
    link_.Run(At(ms));
    ASSERT_EQ(deciders_.Read("x", At(ms)).size(), 1u);
  }
  void Echo(uint64_t sequence, int64_t ms) {
    v1::DecideResponse response;
    response.mutable_heartbeat()->set_sequence(sequence);
    deciders_.Say("x", response, At(ms));
  }
  void Acknowledge(uint64_t batch, int64_t ms) {
    v1::DecideResponse response;
    response.mutable_verdicts()->set_received_batch(batch);
    response.mutable_verdicts()->add_verdicts();
    deciders_.Say("x", response, At(ms));
  }
  void Send() {
    v1::PacketBatch batch;
    link_.Send(&batch);
  }

  v1::DecideHello hello_;
  FakeDeciders deciders_;
  Strings policies_;
  int verdicts_ = 0;
  int lost_ = 0;
  DeciderLink link_{"decider \"d\"", "x", &hello_, &deciders_, this};
};

TEST_F(DeciderLinkTest, SaysHelloAndIsUpOnceWelcomed) {
  const auto said = deciders_.Read("x", At(0));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(said[0].hello().relay());
  EXPECT_FALSE(link_.welcomed());
  EXPECT_FALSE(link_.CanSend());
  deciders_.Welcome("x", At(1), "7");
  EXPECT_TRUE(link_.welcomed());
  EXPECT_TRUE(link_.CanSend());
  EXPECT_EQ(policies_, Strings{"7"});
  v1::DecideResponse retune;
  retune.mutable_retune()->set_policy_token("8");
  deciders_.Say("x", retune, At(2));
  EXPECT_EQ(policies_, (Strings{"7", "8"}));
}

TEST_F(DeciderLinkTest, BeatsEvery200MsAndMeasuresTheRoundTrip) {
  Connect();
  EXPECT_EQ(link_.round_trip(), milliseconds(0));
  Echo(1, 8);
  EXPECT_EQ(link_.round_trip(), milliseconds(8));
  EXPECT_EQ(link_.NextTimer(), At(200));
  link_.Run(At(199));
  EXPECT_TRUE(deciders_.Read("x", At(199)).empty());
  link_.Run(At(200));
  const auto said = deciders_.Read("x", At(200));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].heartbeat().sequence(), 2u);
  Echo(2, 204);
  EXPECT_EQ(link_.round_trip(), milliseconds(7));
  // Only the echo of the last heartbeat counts, and only once.
  Echo(2, 300);
  Echo(1, 300);
  EXPECT_EQ(link_.round_trip(), milliseconds(7));
}

TEST_F(DeciderLinkTest, TakesSilenceForDeath) {
  Connect();
  for (int64_t ms = 50; ms < 600; ms += 50) {
    link_.Run(At(ms));
    deciders_.Read("x", At(ms));
  }
  EXPECT_TRUE(link_.welcomed());
  link_.Run(At(600));
  EXPECT_FALSE(link_.welcomed());
  EXPECT_FALSE(deciders_.connected("x"));
  EXPECT_EQ(lost_, 1);
}

TEST_F(DeciderLinkTest, TimeItDidNotRunSaysNothingAboutTheDecider) {
  Connect();
  link_.Run(At(5000));
  EXPECT_TRUE(link_.welcomed());
  link_.Run(At(5400));
  deciders_.Read("x", At(5400));
  link_.Run(At(5650));
  EXPECT_FALSE(link_.welcomed());
}

TEST_F(DeciderLinkTest, DialsAgainWithJitter) {
  int64_t now_ms = 0;
  for (int attempt = 1; attempt <= 20; ++attempt) {
    ASSERT_EQ(deciders_.dialled("x"), attempt);
    deciders_.End("x", absl::UnavailableError("refused"), At(now_ms));
    const auto delay = link_.NextTimer() - At(now_ms);
    EXPECT_GE(delay, milliseconds(100));
    EXPECT_LE(delay, milliseconds(attempt == 1 ? 200 : 500));
    link_.Run(At(now_ms + 99));
    EXPECT_EQ(deciders_.dialled("x"), attempt);
    now_ms += 500;
    link_.Run(At(now_ms));
  }
  EXPECT_EQ(lost_, 0);  // It was never up.
}

TEST_F(DeciderLinkTest, WaitsASecondForTheWelcome) {
  EXPECT_EQ(link_.NextTimer(), At(1000));
  link_.Run(At(999));
  EXPECT_TRUE(deciders_.connected("x"));
  link_.Run(At(1000));
  EXPECT_FALSE(deciders_.connected("x"));
}

TEST_F(DeciderLinkTest, KeepsFewBatchesUnacknowledged) {
  Connect();
  Send();
  EXPECT_FALSE(link_.CanSend());  // A write is under way.
  EXPECT_EQ(deciders_.Read("x", At(1)).at(0).packets().batch(), 1u);
  EXPECT_TRUE(link_.CanSend());
  Send();
  EXPECT_EQ(deciders_.Read("x", At(1)).at(0).packets().batch(), 2u);
  EXPECT_FALSE(link_.CanSend());
  Acknowledge(1, 2);
  EXPECT_TRUE(link_.CanSend());
  EXPECT_EQ(verdicts_, 1);
  // A longer round trip lets more batches be under way.
  Acknowledge(2, 2);
  Echo(1, 5);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(link_.CanSend());
    Send();
    deciders_.Read("x", At(5));
  }
  EXPECT_FALSE(link_.CanSend());
}

TEST_F(DeciderLinkTest, EndsABrokenConversation) {
  v1::DecideResponse welcome;
  welcome.mutable_welcome();
  v1::DecideResponse beat;
  beat.mutable_heartbeat()->set_sequence(1);
  // Nothing may come before the welcome.
  deciders_.Read("x", At(0));
  deciders_.Say("x", beat, At(0));
  EXPECT_FALSE(deciders_.connected("x"));
  link_.Run(At(500));
  Connect(500);
  deciders_.Say("x", welcome, At(501));
  EXPECT_FALSE(deciders_.connected("x"));
  link_.Run(At(1100));
  Connect(1100);
  Acknowledge(1, 1101);
  EXPECT_FALSE(deciders_.connected("x"));
  EXPECT_EQ(verdicts_, 0);
  EXPECT_EQ(lost_, 2);
  // Unknown messages, of a newer decider, are ignored.
  link_.Run(At(1700));
  Connect(1700);
  deciders_.Say("x", v1::DecideResponse(), At(1701));
  EXPECT_TRUE(link_.welcomed());
  deciders_.End("x", absl::OkStatus(), At(1702));
  EXPECT_EQ(lost_, 3);
}

TEST_F(DeciderLinkTest, TellsOfAnswersThatWereNotCarriedOut) {
  Connect();
  for (uint64_t id = 1; id <= 18; ++id) link_.Complain(id, v1::VERDICT_ERROR_INVALID, "no");
  link_.Run(At(200));
  const auto said = deciders_.Read("x", At(200));
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].errors().entries_size(), 16);
  EXPECT_EQ(said[0].errors().entries(15).transaction_id(), 16u);
  EXPECT_EQ(said[0].errors().suppressed(), 2u);
  EXPECT_TRUE(said[1].has_heartbeat());
  link_.Run(At(400));
  EXPECT_EQ(deciders_.Read("x", At(400)).size(), 1u);
}

}  // namespace
}  // namespace sluice::server
