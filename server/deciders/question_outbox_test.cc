#include "server/deciders/question_outbox.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "server/deciders/fake_deciders.h"

namespace sluice::server {
namespace {

class QuestionOutboxTest : public testing::Test {
 protected:
  void Add(FakeGateway& gateway, uint64_t id, int64_t left_ms = 20) {
    Question question = gateway.Ask(id, At(0), left_ms);
    outbox_.Add(question.asker->hello.agent().gateway(), id);
    questions_.emplace(id, std::move(question));
  }

  // All batches, as text.
  Strings Drain(int64_t now_ms = 0, std::chrono::nanoseconds travel = {}) {
    Strings batches;
    while (const v1::PacketBatch* batch = outbox_.Next(At(now_ms), travel, find_)) {
      std::string text = batch->gateway() + ":";
      for (const v1::Packet& packet : batch->packets()) {
        absl::StrAppend(&text, " ", packet.transaction_id());
      }
      batches.push_back(text);
      outbox_.Sent();
    }
    return batches;
  }

  const QuestionOutbox::Find find_ = [this](uint64_t id) -> const Question* {
    const auto found = questions_.find(id);
    return found == questions_.end() ? nullptr : &found->second;
  };
  FakeGateway a_{"a"};
  FakeGateway b_{"b"};
  std::map<uint64_t, Question> questions_;
  QuestionOutbox outbox_;
};

TEST_F(QuestionOutboxTest, ABatchHasPacketsOfOneGatewayAndTheyTakeTurns) {
  for (const uint64_t id : {1, 2}) Add(a_, id);
  Add(b_, 3);
  Add(a_, 4);
  EXPECT_EQ(outbox_.size(), 4u);
  EXPECT_EQ(Drain(), (Strings{"a: 1 2 4", "b: 3"}));
  EXPECT_EQ(outbox_.size(), 0u);
  Add(b_, 5);
  Add(a_, 6);
  EXPECT_EQ(Drain(), (Strings{"a: 6", "b: 5"}));
}

TEST_F(QuestionOutboxTest, ABatchHasAThousandPacketsAtMostAndEveryGatewayItsTurn) {
  for (uint64_t id = 1; id <= 1025; ++id) Add(a_, id);
  Add(b_, 2000);
  const Strings batches = Drain();
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[1], "b: 2000");
  EXPECT_EQ(batches[2], "a: 1025");
}

TEST_F(QuestionOutboxTest, ABatchHasAMebibyteAtMost) {
  for (uint64_t id = 1; id <= 3; ++id) {
    Add(a_, id);
    questions_.at(id).packet->set_payload(std::string(500'000, 'p'));
  }
  EXPECT_EQ(Drain(), (Strings{"a: 1 2", "a: 3"}));
}

TEST_F(QuestionOutboxTest, SaysWhatIsLeftAndHowLongPacketsHaveWaited) {
  Add(a_, 1, 30);
  Add(a_, 2, 20);
  const v1::PacketBatch* batch = outbox_.Next(At(5), std::chrono::milliseconds(3), find_);
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->time_left().nanos(), 12'000'000);
  EXPECT_EQ(batch->packets(0).waited_us(), 5100u);
  outbox_.Sent();
  EXPECT_EQ(questions_.at(1).packet->waited_us(), 100u);
}

TEST_F(QuestionOutboxTest, LeavesOutWhatIsTooLateOrAnswered) {
  Add(a_, 1, 10);
  Add(a_, 2, 20);
  Add(a_, 3, 20);
  questions_.erase(3);
  EXPECT_EQ(Drain(8, std::chrono::milliseconds(2)), Strings{"a: 2"});
}

TEST_F(QuestionOutboxTest, CompactsToWhatStillWaits) {
  for (uint64_t id = 1; id <= 4; ++id) Add(id < 3 ? a_ : b_, id);
  for (const uint64_t id : {1, 2, 4}) questions_.erase(id);
  outbox_.Compact(find_);
  EXPECT_EQ(outbox_.size(), 1u);
  EXPECT_EQ(Drain(), Strings{"b: 3"});
}

}  // namespace
}  // namespace sluice::server
