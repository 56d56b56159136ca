#include "server/decide/decide_outbox.h"

#include <gtest/gtest.h>

#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::server {
namespace {

// The next message that goes out.
std::optional<v1::DecideResponse> Next(DecideOutbox& outbox) {
  const std::optional<std::string_view> bytes = outbox.Next();
  if (!bytes) return std::nullopt;
  v1::DecideResponse next;
  EXPECT_TRUE(next.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
  // No field is there twice: what protobuf writes of it has the same size.
  EXPECT_EQ(next.ByteSizeLong(), bytes->size());
  return next;
}

// A batch of one verdict.
v1::VerdictBatch On(uint64_t transaction_id) {
  v1::VerdictBatch batch;
  batch.add_verdicts()->set_transaction_id(transaction_id);
  return batch;
}

// All messages that go out, as text.
std::vector<std::string> Drain(DecideOutbox& outbox) {
  std::vector<std::string> sent;
  while (const std::optional<v1::DecideResponse> next = Next(outbox)) {
    if (next->has_welcome()) {
      sent.push_back("welcome " + next->welcome().policy_label());
      EXPECT_EQ(next->welcome().policy_token(), outbox.told().Token());
    }
    if (next->has_retune()) {
      sent.push_back("retune " + next->retune().policy_label());
      EXPECT_EQ(next->retune().policy_token(), outbox.told().Token());
    }
    if (next->has_heartbeat()) {
      sent.push_back("beat " + std::to_string(next->heartbeat().sequence()));
    }
    if (!next->has_verdicts()) continue;
    std::string text = "verdicts " + std::to_string(next->verdicts().received_batch()) + ":";
    for (const auto& verdict : next->verdicts().verdicts()) {
      text += " " + std::to_string(verdict.transaction_id());
    }
    sent.push_back(text);
  }
  return sent;
}

using Sent = std::vector<std::string>;

v1::Heartbeat Beat(uint64_t sequence) {
  v1::Heartbeat heartbeat;
  heartbeat.set_sequence(sequence);
  return heartbeat;
}

TEST(DecideOutboxTest, BeginsWithTheWelcome) {
  DecideOutbox outbox;
  EXPECT_EQ(outbox.Next(), std::nullopt);
  outbox.Welcome({{4, 0}, false});
  outbox.Acknowledge(1);
  EXPECT_EQ(Drain(outbox), (Sent{"welcome 4", "verdicts 1:"}));
  EXPECT_EQ(outbox.Next(), std::nullopt);
}

TEST(DecideOutboxTest, MergesWhatComesMeanwhile) {
  DecideOutbox outbox;
  outbox.Add(On(1));
  outbox.Acknowledge(1);
  const std::optional<std::string_view> writing = outbox.Next();
  ASSERT_TRUE(writing.has_value());
  outbox.Add(On(2));
  outbox.Acknowledge(2);
  outbox.Add(On(3));
  outbox.Acknowledge(3);
  // The message being written stays unchanged.
  v1::DecideResponse first;
  ASSERT_TRUE(first.ParseFromArray(writing->data(), static_cast<int>(writing->size())));
  EXPECT_EQ(first.verdicts().verdicts_size(), 1);
  EXPECT_EQ(first.verdicts().received_batch(), 1u);
  EXPECT_EQ(Drain(outbox), Sent{"verdicts 3: 2 3"});
}

TEST(DecideOutboxTest, NoTwoBasesHaveTheSameToken) {
  const Basis bases[] = {
      {},
      {.policy = {7, 0}},
      {.policy = {7, 1}},
      {.policy = {7, 0}, .screened = true},
      {.policy = {7, 0}, .deciders = 1},
      {.policy = {7, 0}, .incarnation = 1},
      {.policy = {7, 0}, .incarnation = 0xffffffff},
  };
  std::set<std::string> tokens;
  for (const Basis& basis : bases) tokens.insert(basis.Token());
  EXPECT_EQ(tokens.size(), std::size(bases));
}

TEST(DecideOutboxTest, LabelsAreForPeople) {
  EXPECT_EQ((Basis{.policy = {7, 0}, .incarnation = 0xabc}).Label(), "7");
  EXPECT_EQ((Basis{.policy = {7, 3}, .screened = true, .deciders = 2}).Label(),
            "7 (sets: 3) (deciders: 2) (screened)");
}

TEST(DecideOutboxTest, TellsOfAnotherBasisBehindItsVerdicts) {
  DecideOutbox outbox;
  outbox.Welcome({{1, 0}, false});
  outbox.Tell({{1, 0}, false});
  EXPECT_EQ(Drain(outbox), Sent{"welcome 1"});
  outbox.Add(On(1));
  outbox.Tell({{2, 0}, false});
  EXPECT_EQ(Drain(outbox), (Sent{"verdicts 0: 1", "retune 2"}));
  outbox.Tell({{2, 0}, true});
  EXPECT_EQ(outbox.told(), (Basis{{2, 0}, true}));
  EXPECT_EQ(Drain(outbox), Sent{"retune 2 (screened)"});
  outbox.Tell({{2, 0}, false, 3});
  EXPECT_EQ(Drain(outbox), Sent{"retune 2 (deciders: 3)"});
  outbox.Tell({{2, 4}, false, 3});
  EXPECT_EQ(Drain(outbox), Sent{"retune 2 (sets: 4) (deciders: 3)"});
}

TEST(DecideOutboxTest, VerdictsNeverKeepHeartbeatsWaiting) {
  DecideOutbox outbox;
  outbox.Add(On(1));
  outbox.Echo(Beat(7));
  outbox.Echo(Beat(8));
  ASSERT_TRUE(Next(outbox)->has_verdicts());
  outbox.Add(On(2));
  EXPECT_EQ(Drain(outbox), (Sent{"beat 7", "verdicts 0: 2", "beat 8"}));
}

TEST(DecideOutboxTest, IsFullWhenItsPeerDoesNotRead) {
  DecideOutbox outbox;
  for (int i = 0; i < 8 * 1024; ++i) {
    EXPECT_FALSE(outbox.Full());
    outbox.Add(On(1));
  }
  EXPECT_TRUE(outbox.Full());
  outbox.Next();
  EXPECT_FALSE(outbox.Full());
  for (uint64_t i = 0; i < 16; ++i) outbox.Echo(Beat(i));
  EXPECT_TRUE(outbox.Full());
}

}  // namespace
}  // namespace sluice::server
