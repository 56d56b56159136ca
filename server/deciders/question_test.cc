#include "server/deciders/question.h"

#include <gtest/gtest.h>

#include "server/deciders/fake_deciders.h"

namespace sluice::server {
namespace {

using std::chrono::milliseconds;

struct Case {
  int64_t deadline_ms;    // The gateway's.
  int64_t hold_limit_ms;  // The same.
  int64_t time_left_ms;   // Of the batch; negative: not given.
  int64_t waited_ms;      // By this packet; the oldest has waited 10 ms.
  int64_t within_ms;      // The rule's.
  int64_t expires_ms;     // From now.
  int64_t latest_ms;      // The same.
};

TEST(TimesOfTest, LeavesTheGatewayTimeToCarryOutWhatHoldsOtherwise) {
  // With a deadline of 50 ms and an oldest packet of 10 ms, an agent without travel time has 40
  // left.
  const Case cases[] = {
      {50, 5000, 40, 10, 20, 20, 35 + 4950},  // The rule's time is the shorter one.
      {50, 5000, 40, 10, 60000, 35, 4985},    // The gateway's time is the shorter one.
      {50, 5000, 40, 4, 60000, 41, 4991},     // A packet that came 6 ms later has 6 ms more.
      {50, 5000, 35, 10, 60000, 25, 4975},    // 5 ms to travel here, 5 ms back.
      {50, 5000, 12, 10, 60000, 0, 4950},     // There and back takes more than its time.
      {50, 0, 40, 10, 60000, 35, -15},        // The gateway never holds packets.
      {50, 5000, 0, 10, 20, 0, 4950},         // Nothing is left.
      {12, 0, 2, 10, 20, 1, -11},             // The margin is at most a quarter.
      {0, 5000, 40, 10, 60000, 35, 5035},     // The deadline is not given.
      {50, 5000, -1, 10, 60, 60, 4990},       // The time left is not given.
      {50, 5000, 90, 10, 60000, 85, 5035},    // The packet was held before.
  };
  for (const Case& test : cases) {
    v1::DecideHello hello;
    hello.mutable_deadline()->set_nanos(static_cast<int32_t>(test.deadline_ms * 1'000'000));
    hello.mutable_hold_limit()->set_seconds(test.hold_limit_ms / 1000);
    v1::PacketBatch batch;
    if (test.time_left_ms >= 0) {
      batch.mutable_time_left()->set_nanos(static_cast<int32_t>(test.time_left_ms * 1'000'000));
    }
    batch.add_packets()->set_waited_us(10'000);
    v1::Packet* packet = batch.add_packets();
    packet->set_waited_us(static_cast<uint32_t>(test.waited_ms * 1000));
    const QuestionTimes times = TimesOf(hello, batch, *packet, milliseconds(test.within_ms), At(0));
    SCOPED_TRACE(testing::Message() << test.time_left_ms << " left, waited " << test.waited_ms);
    EXPECT_EQ(std::chrono::floor<milliseconds>(times.expires - At(0)).count(), test.expires_ms);
    EXPECT_EQ(std::chrono::floor<milliseconds>(times.latest - At(0)).count(), test.latest_ms);
  }
}

TEST(QuestionTest, OtherwiseHoldsWhatTheRuleSays) {
  FakeGateway gateway("gw");
  Question question = gateway.Ask(7, At(0));
  question.ruling.log = true;
  question.packet->set_transaction_id(99);  // A relay's.
  const DeferredVerdict late = Otherwise(question, "did not answer in time", At(30));
  EXPECT_EQ(late.verdict.ShortDebugString(),
            "transaction_id: 7 action: ACTION_DROP "
            "reason: \"\\\"d\\\" did not answer in time: rule 1, line 2\" "
            "notify: NOTIFY_TCP_RESET");
  EXPECT_EQ(late.policy, PolicyEdition{3});
  EXPECT_EQ(late.rule, 1u);
  EXPECT_TRUE(late.log);
  EXPECT_EQ(late.elapsed, milliseconds(30));
}

TEST(QuestionTest, AnswersArePassedOnWithWhoGaveThem) {
  FakeGateway gateway("gw");
  const Question question = gateway.Ask(7, At(0));
  v1::Verdict verdict;
  verdict.set_transaction_id(99);
  verdict.set_action(v1::ACTION_ACCEPT);
  verdict.set_reason("known");
  verdict.set_mark(5);
  verdict.set_mark_mask(7);
  verdict.set_payload("p");
  verdict.set_scope(v1::SCOPE_CONNECTION);
  verdict.mutable_lifetime()->set_seconds(9);
  EXPECT_EQ(Answered(question, verdict, At(1)).verdict.ShortDebugString(),
            "transaction_id: 7 action: ACTION_ACCEPT reason: \"asked \\\"d\\\": known\" mark: 5 "
            "mark_mask: 7 payload: \"p\" scope: SCOPE_CONNECTION lifetime { seconds: 9 }");
  verdict.set_action(v1::ACTION_REPEAT);
  verdict.set_reason(std::string(300, 'x'));
  const v1::Verdict repeat = Answered(question, verdict, At(1)).verdict;
  EXPECT_EQ(repeat.reason().size(), 256u);
  EXPECT_EQ(repeat.scope(), v1::SCOPE_UNSPECIFIED);
  EXPECT_FALSE(repeat.has_lifetime());
  EXPECT_TRUE(repeat.has_payload());
}

}  // namespace
}  // namespace sluice::server
