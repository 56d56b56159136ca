#include "server/deciders/decider_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "absl/status/status.h"
#include "server/deciders/fake_deciders.h"

namespace sluice::server {
namespace {

using std::chrono::milliseconds;

class DeciderPoolTest : public testing::Test {
 protected:
  DeciderPoolTest() {
    common_.dialer = &deciders_;
    common_.on_policy = [this] { ++policies_; };
  }
  // Every question asked is accounted for.
  ~DeciderPoolTest() override {
    for (const v1::Decider& decider : List()) {
      EXPECT_EQ(decider.asked(), decider.answered() + decider.timed_out() + decider.failed() +
                                     decider.invalid() + decider.waiting())
          << decider.ShortDebugString();
    }
  }

  // Connects to deciders at x, or at x and y, welcomed at 0 ms.
  void Connect(const Strings& addresses) {
    pool_.SetAddresses(addresses, At(0));
    for (const std::string& address : addresses) {
      deciders_.Read(address, At(0));
      deciders_.Welcome(address, At(0));
    }
    pool_.Run(At(0));
    for (const std::string& address : addresses) deciders_.Read(address, At(0));
  }
  void Ask(uint64_t id, int64_t ms = 0, int64_t left_ms = 20) {
    pool_.Ask(gateway_.Ask(id, At(ms), left_ms), At(ms));
    pool_.Run(At(ms));
  }
  // The transaction ids, which are the relay's, of all packets that the decider has got.
  std::vector<uint64_t> Got(const std::string& address, int64_t ms = 0) {
    std::vector<uint64_t> ids;
    for (auto said = deciders_.Read(address, At(ms)); !said.empty();
         said = deciders_.Read(address, At(ms))) {
      for (const v1::DecideRequest& request : said) {
        for (const v1::Packet& packet : request.packets().packets()) {
          ids.push_back(packet.transaction_id());
        }
      }
      pool_.Run(At(ms));
    }
    return ids;
  }
  v1::DecideResponse Verdict(uint64_t id, v1::Action action = v1::ACTION_ACCEPT,
                             int64_t hold_ms = 0) {
    v1::DecideResponse response;
    v1::Verdict* verdict = response.mutable_verdicts()->add_verdicts();
    verdict->set_transaction_id(id);
    verdict->set_action(action);
    verdict->set_reason("ok");
    if (hold_ms > 0) {
      verdict->mutable_hold_for()->set_nanos(static_cast<int32_t>(hold_ms * 1'000'000));
    }
    return response;
  }
  std::vector<v1::Decider> List() {
    std::vector<v1::Decider> deciders;
    pool_.List(&deciders);
    return deciders;
  }

  FakeDeciders deciders_;
  DeciderPool::Common common_;
  int policies_ = 0;
  FakeGateway gateway_{"gw", 500};
  DeciderPool pool_{"d", &common_};
};

using Ids = std::vector<uint64_t>;

TEST_F(DeciderPoolTest, AsksAndPassesTheAnswerOn) {
  Connect({"x"});
  Ask(70);
  Ask(71);
  const Ids got = Got("x");
  ASSERT_EQ(got.size(), 2u);
  EXPECT_NE(got[0], got[1]);
  deciders_.Say("x", Verdict(got[1]), At(5));
  deciders_.Say("x", Verdict(got[0], v1::ACTION_DROP), At(6));
  EXPECT_EQ(gateway_.answers, (Strings{"71 ACCEPT asked \"d\": ok", "70 DROP asked \"d\": ok"}));
  const auto list = List();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].name(), "d");
  EXPECT_EQ(list[0].address(), "x");
  EXPECT_TRUE(list[0].connected());
  EXPECT_EQ(list[0].asked(), 2u);
  EXPECT_EQ(list[0].answered(), 2u);
  EXPECT_EQ(list[0].waiting(), 0u);
}

TEST_F(DeciderPoolTest, WhatIsNotAnsweredInTimeGetsWhatTheRuleSays) {
  Connect({"x"});
  Ask(1);
  Ask(2, 5);
  const Ids got = Got("x");
  EXPECT_EQ(pool_.NextTimer(), At(20));
  pool_.Run(At(19));
  EXPECT_EQ(gateway_.answers, Strings{});
  pool_.Run(At(20));
  EXPECT_EQ(gateway_.answers, Strings{"1 DROP \"d\" did not answer in time: rule 1, line 2"});
  EXPECT_EQ(gateway_.verdict.notify(), v1::NOTIFY_TCP_RESET);
  // One answer comes at the very deadline, one long after its own.
  deciders_.Say("x", Verdict(got[1]), At(25));
  deciders_.Say("x", Verdict(got[0]), At(26));
  deciders_.Say("x", Verdict(4711), At(26));
  EXPECT_EQ(gateway_.answers.size(), 2u);
  const auto list = List();
  EXPECT_EQ(list[0].timed_out(), 2u);
  EXPECT_EQ(list[0].late(), 3u);
}

TEST_F(DeciderPoolTest, NothingIsAskedWithoutAConnection) {
  pool_.SetAddresses({"x"}, At(0));
  Ask(1);
  EXPECT_EQ(gateway_.answers, Strings{"1 DROP \"d\" not connected: rule 1, line 2"});
  deciders_.Read("x", At(0));
  deciders_.Welcome("x", At(0));
  Ask(2, 0, 0);
  EXPECT_EQ(gateway_.answers.back(), "2 DROP \"d\" had no time: rule 1, line 2");
  EXPECT_EQ(List()[0].unasked(), 2u);
  EXPECT_EQ(List()[0].asked(), 0u);
  pool_.CountUnasked(5);
  EXPECT_EQ(List()[0].unasked(), 7u);
}

TEST_F(DeciderPoolTest, SoManyMayWait) {
  Connect({"x"});
  for (uint64_t id = 1; id <= DeciderPool::kMostWaiting; ++id) Ask(id);
  EXPECT_EQ(gateway_.answers, Strings{});
  EXPECT_EQ(List()[0].waiting(), DeciderPool::kMostWaiting);
  Ask(99'999);
  EXPECT_EQ(gateway_.answers, Strings{"99999 DROP \"d\" has too much to do: rule 1, line 2"});
  EXPECT_EQ(List()[0].unasked(), 1u);
  pool_.Run(At(20));
  EXPECT_EQ(List()[0].timed_out(), DeciderPool::kMostWaiting);
  Ask(1, 20);
  EXPECT_EQ(List()[0].waiting(), 1u);
}

TEST_F(DeciderPoolTest, SoManyBytesMayWait) {
  Connect({"x"});
  const std::string payload(DeciderPool::kMostBytes / 2, 'p');
  for (uint64_t id = 1; id <= 3; ++id) {
    Question question = gateway_.Ask(id, At(0));
    question.packet->set_payload(payload);
    pool_.Ask(std::move(question), At(0));
  }
  EXPECT_EQ(gateway_.answers, Strings{"3 DROP \"d\" has too much to do: rule 1, line 2"});
}

TEST_F(DeciderPoolTest, ThePoolSharesTheWork) {
  Connect({"x", "y"});
  for (uint64_t id = 1; id <= 4; ++id) Ask(id);
  const Ids x = Got("x");
  EXPECT_EQ(x.size(), 2u);
  EXPECT_EQ(Got("y").size(), 2u);
  // The address that answers gets more.
  for (const uint64_t id : x) deciders_.Say("x", Verdict(id), At(1));
  for (uint64_t id = 5; id <= 6; ++id) Ask(id, 1);
  EXPECT_EQ(List()[0].waiting(), 2u);
  EXPECT_EQ(List()[1].waiting(), 2u);
  EXPECT_EQ(List()[0].asked(), 4u);
}

TEST_F(DeciderPoolTest, OnlyWhoWasAskedMayAnswer) {
  Connect({"x", "y"});
  Ask(1);
  const Ids got = Got("x");
  ASSERT_EQ(got.size(), 1u);
  deciders_.Say("y", Verdict(got[0]), At(1));
  EXPECT_EQ(gateway_.answers, Strings{});
  EXPECT_EQ(List()[1].late(), 1u);
}

TEST_F(DeciderPoolTest, AnotherIsAskedWhenAStreamEnds) {
  Connect({"x", "y"});
  for (uint64_t id = 1; id <= 4; ++id) Ask(id);
  Got("x");
  const Ids had = Got("y");
  v1::DecideResponse received;
  received.mutable_verdicts()->set_received_batch(2);
  deciders_.Say("x", received, At(1));
  deciders_.End("y", absl::UnavailableError("killed"), At(10));
  pool_.Run(At(10));
  EXPECT_EQ(Got("x", 10), had);
  EXPECT_EQ(gateway_.answers, Strings{});
  EXPECT_EQ(List()[0].waiting(), 4u);
  EXPECT_EQ(List()[1].failed(), 2u);
  EXPECT_EQ(List()[1].waiting(), 0u);
  deciders_.Say("x", Verdict(had[0]), At(12));
  EXPECT_EQ(gateway_.answers, Strings{"2 ACCEPT asked \"d\": ok"});
  // No other address is left.
  deciders_.End("x", absl::OkStatus(), At(15));
  EXPECT_EQ(gateway_.answers.size(), 4u);
  EXPECT_EQ(gateway_.answers.back(), "4 DROP \"d\" went away: rule 1, line 2");
  EXPECT_EQ(List()[0].failed(), 3u);
}

TEST_F(DeciderPoolTest, WhatHasNoTimeLeftIsNotAskedOfAnother) {
  Connect({"x", "y"});
  Ask(1);
  Got("x");
  deciders_.End("x", absl::OkStatus(), At(20));
  EXPECT_EQ(gateway_.answers, Strings{"1 DROP \"d\" did not answer in time: rule 1, line 2"});
  EXPECT_EQ(List()[0].timed_out(), 1u);
  EXPECT_EQ(List()[1].asked(), 0u);
}

TEST_F(DeciderPoolTest, AMuteDeciderIsLeftForTheOther) {
  Connect({"x", "y"});
  Ask(1, 0, 2000);
  Ask(2, 0, 2000);
  const Ids got = Got("x");
  Got("y");
  for (int64_t ms = 50; ms <= 600; ms += 50) {
    v1::DecideResponse alive;
    alive.mutable_heartbeat();
    deciders_.Say("y", alive, At(ms));
    pool_.Run(At(ms));
    deciders_.Read("x", At(ms));
    deciders_.Read("y", At(ms));
  }
  EXPECT_FALSE(List()[0].connected());
  EXPECT_EQ(List()[1].waiting(), 2u);
  EXPECT_EQ(gateway_.answers, Strings{});
}

TEST_F(DeciderPoolTest, AHoldGivesMoreTimeUpToTheLimit) {
  Connect({"x"});
  Ask(1);
  const Ids got = Got("x");
  deciders_.Say("x", Verdict(got[0], v1::ACTION_HOLD, 30), At(10));
  EXPECT_EQ(gateway_.answers, Strings{"1 HOLD asked \"d\": ok"});
  EXPECT_EQ(gateway_.verdict.hold_for().nanos(), 30'000'000);
  pool_.Run(At(49));
  EXPECT_EQ(gateway_.answers.size(), 1u);
  deciders_.Say("x", Verdict(got[0], v1::ACTION_HOLD, 400), At(49));
  pool_.Run(At(99));
  EXPECT_EQ(gateway_.answers.size(), 2u);
  pool_.Run(At(100));
  EXPECT_EQ(gateway_.answers.back(), "1 DROP \"d\" did not answer in time: rule 1, line 2");
  EXPECT_EQ(List()[0].timed_out(), 1u);
  // A hold never shortens the time.
  Ask(2, 100, 60);
  deciders_.Say("x", Verdict(Got("x", 100)[0], v1::ACTION_HOLD, 1), At(101));
  EXPECT_GE(pool_.NextTimer(), At(160));
}

TEST_F(DeciderPoolTest, ABadAnswerIsNone) {
  Connect({"x"});
  Ask(1);
  const Ids got = Got("x");
  deciders_.Say("x", Verdict(got[0], static_cast<v1::Action>(77)), At(1));
  EXPECT_EQ(gateway_.answers, Strings{"1 DROP \"d\" gave a bad answer: rule 1, line 2"});
  EXPECT_EQ(List()[0].invalid(), 1u);
  pool_.Run(At(200));
  EXPECT_EQ(deciders_.Read("x", At(200)).at(0).errors().entries(0).error(),
            v1::VERDICT_ERROR_INVALID);
}

TEST_F(DeciderPoolTest, AnswersForAStreamThatEndedAreDropped) {
  Connect({"x"});
  Ask(1);
  Ask(2);
  const Ids got = Got("x");
  gateway_.asker->Leave();
  deciders_.Say("x", Verdict(got[0]), At(1));
  pool_.Run(At(20));
  EXPECT_EQ(gateway_.answers, Strings{});
  EXPECT_EQ(List()[0].answered(), 1u);
  EXPECT_EQ(List()[0].timed_out(), 1u);
}

TEST_F(DeciderPoolTest, FollowsWhereThePolicySaysItIs) {
  Connect({"x", "y"});
  Ask(1);
  Ask(2);
  Got("x");
  Got("y");
  pool_.SetAddresses({"y", "z"}, At(5));
  EXPECT_FALSE(deciders_.connected("x"));
  EXPECT_EQ(deciders_.dialled("y"), 1);
  EXPECT_TRUE(deciders_.connected("z"));
  auto list = List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].address(), "y");
  EXPECT_EQ(list[0].waiting(), 2u);
  EXPECT_EQ(gateway_.answers, Strings{});
  pool_.SetAddresses({}, At(6));
  EXPECT_FALSE(deciders_.connected("y"));
  EXPECT_EQ(gateway_.answers.size(), 2u);
  EXPECT_EQ(gateway_.answers[0], "1 DROP \"d\" went away: rule 1, line 2");
}

TEST_F(DeciderPoolTest, AnotherPolicyOfADeciderForgetsWhatItSaid) {
  pool_.SetAddresses({"x"}, At(0));
  deciders_.Read("x", At(0));
  deciders_.Welcome("x", At(0), "1");
  v1::DecideResponse retune;
  retune.mutable_retune()->set_policy_token("2");
  deciders_.Say("x", retune, At(0));
  EXPECT_EQ(policies_, 0);  // It has answered nothing yet.
  pool_.Run(At(0));
  Got("x");
  Ask(1);
  deciders_.Say("x", Verdict(Got("x").at(0)), At(1));
  deciders_.Say("x", retune, At(2));
  EXPECT_EQ(policies_, 0);
  retune.mutable_retune()->set_policy_token("3");
  deciders_.Say("x", retune, At(3));
  EXPECT_EQ(policies_, 1);
  // It comes back with the policy it had.
  deciders_.End("x", absl::OkStatus(), At(4));
  pool_.Run(At(600));
  deciders_.Read("x", At(600));
  deciders_.Welcome("x", At(600), "3");
  EXPECT_EQ(policies_, 1);
}

// The decider sends heartbeats but acknowledges nothing: packets for it must not pile up.
TEST_F(DeciderPoolTest, ADeciderThatTakesNothingCostsBoundedMemory) {
  Connect({"x"});
  uint64_t id = 0;
  for (int64_t ms = 0; ms < 400; ms += 20) {
    v1::DecideResponse alive;
    alive.mutable_heartbeat();
    deciders_.Say("x", alive, At(ms));
    for (int i = 0; i < 4000; ++i) pool_.Ask(gateway_.Ask(++id, At(ms)), At(ms));
    pool_.Run(At(ms));
    Got("x", ms);
  }
  EXPECT_EQ(List()[0].asked(), 80'000u);
  EXPECT_EQ(List()[0].timed_out(), 76'000u);
}

}  // namespace
}  // namespace sluice::server
