// Which verdicts the pipeline has the table remember, and what it tells deciders about connections.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "agent/netfilter/mark_bits.h"
#include "agent/packets/packet_pipeline_fixture.h"

namespace sluice::agent {
namespace {

constexpr RememberedKind kConnections{.accept = true, .scope = RememberedScope::kConnection};
constexpr RememberedKind kResetSources{
    .notice = Notice::kTcpReset, .scope = RememberedScope::kSource, .lifetime_s = 60};

class FakeMemory final : public VerdictMemory {
 public:
  void WantSlot(uint64_t, const RememberedKind& kind) override { wanted.push_back(kind); }
  void PolicyIs(const std::string& token, const std::string&) override {
    policies.push_back(token);
  }

  std::vector<RememberedKind> wanted;
  std::vector<std::string> policies;
};

class PacketRememberedTest : public PacketPipelineTest {
 protected:
  PacketRememberedTest() {
    PipelineOptions options;
    options.memory = &memory_;
    Make(options);
    Connect();
    Start("1");
  }
  void Start(const std::string& policy_token) {
    pipeline_->StartRemembering({.generation = ++generation_,
                                 .policy_token = policy_token,
                                 .slots = {{kConnections, 1}, {kResetSources, 9}}});
  }
  // Presents a packet to the decider; returns its transaction id.
  uint64_t Present(uint32_t id, uint32_t mark = 0) {
    Push(id, mark);
    const auto asked = Asked();
    EXPECT_EQ(asked.size(), 1u);
    return asked.at(0).transaction_id();
  }
  static v1::Verdict For(uint64_t id, v1::Scope scope, v1::Action action = v1::ACTION_ACCEPT) {
    v1::Verdict verdict = Verdict(id, action);
    verdict.set_scope(scope);
    if (action == v1::ACTION_DROP) verdict.set_notify(v1::NOTIFY_TCP_RESET);
    return verdict;
  }

  FakeMemory memory_;
  uint64_t generation_ = 0;
};

TEST_F(PacketRememberedTest, VerdictsCarryTheirSlots) {
  Answer({For(Present(1, 0x5), v1::SCOPE_CONNECTION),
          For(Present(2, 0x5), v1::SCOPE_SOURCE, v1::ACTION_DROP)});
  EXPECT_EQ(queue_.given.at(1).mark, AcceptMark(kMarkMask, 1) | 0x5);
  EXPECT_TRUE(queue_.given.at(2).accepted) << "the guard drops it";
  EXPECT_EQ(queue_.given.at(2).mark, DropMark(kMarkMask, 9) | 0x5);
  EXPECT_EQ(Stats().accepted(), 1u);
  EXPECT_EQ(Stats().dropped(), 1u);
}

TEST_F(PacketRememberedTest, ConnectionsOfOtherDevicesAreOtherKinds) {
  input_ifindex_ = 7;
  output_ifindex_ = 4;
  Answer({For(Present(1), v1::SCOPE_CONNECTION)});
  EXPECT_EQ(queue_.given.at(1).mark, kDecided);
  ASSERT_EQ(memory_.wanted.size(), 1u);
  EXPECT_EQ(memory_.wanted[0].devices, (DevicePair{.low = 4, .high = 7}));
}

TEST_F(PacketRememberedTest, KindsWithoutASlotAreDecidedAndWanted) {
  Answer({For(Present(1), v1::SCOPE_PEER), For(Present(2), v1::SCOPE_PEER, v1::ACTION_DROP)});
  EXPECT_EQ(queue_.given.at(1).mark, kDecided);
  EXPECT_EQ(queue_.given.at(2).mark, DropMark(kMarkMask, Notice::kTcpReset));
  EXPECT_EQ(memory_.wanted.size(), 2u);
}

TEST_F(PacketRememberedTest, AnswersOfThePolicyBeforeAreNotRemembered) {
  const uint64_t before = Present(1);
  ASSERT_TRUE(Retune({}, "2").ok());
  EXPECT_EQ(memory_.policies, (std::vector<std::string>{"1", "2"}));
  const uint64_t between = Present(2);
  pipeline_->StopRemembering();
  Start("2");
  Answer({For(before, v1::SCOPE_CONNECTION), For(between, v1::SCOPE_CONNECTION),
          For(Present(3), v1::SCOPE_CONNECTION)});
  EXPECT_EQ(queue_.given.at(1).mark, kDecided);
  EXPECT_EQ(queue_.given.at(2).mark, kDecided) << "all was forgotten after it was presented";
  EXPECT_EQ(queue_.given.at(3).mark, AcceptMark(kMarkMask, 1));
}

TEST_F(PacketRememberedTest, WhatIsPresentedAgainFollowsTheNewPolicy) {
  Push(1);
  Asked();
  pipeline_->OnLost();
  ASSERT_TRUE(Welcome(kStream + 1, {}, "2").ok());
  pipeline_->StopRemembering();
  Start("2");
  const auto again = Asked();
  ASSERT_EQ(again.size(), 1u);
  Answer({For(again[0].transaction_id(), v1::SCOPE_CONNECTION)}, kStream + 1);
  EXPECT_EQ(queue_.given.at(1).mark, kDecided) << "everything was forgotten since";
}

TEST_F(PacketRememberedTest, VerdictsUnderWayAreHandedOverBeforeAllIsForgotten) {
  Push(1);
  v1::VerdictBatch batch;
  *batch.add_verdicts() = For(Asked().at(0).transaction_id(), v1::SCOPE_CONNECTION);
  pipeline_->OnVerdicts(kStream, batch);
  EXPECT_TRUE(queue_.given.empty());
  pipeline_->StopRemembering();
  EXPECT_EQ(queue_.given.at(1).mark, AcceptMark(kMarkMask, 1));
}

TEST_F(PacketRememberedTest, ShadowRemembersNothing) {
  pipeline_->EnterMode(v1::MODE_SHADOW);
  Answer({For(Present(1), v1::SCOPE_CONNECTION)});
  EXPECT_EQ(queue_.given.at(1).mark, kDecided);
}

TEST_F(PacketRememberedTest, OtherActionsCannotBeRemembered) {
  v1::Verdict hold = For(Present(1), v1::SCOPE_SOURCE, v1::ACTION_HOLD);
  hold.mutable_hold_for()->set_seconds(1);
  Answer({hold, For(Present(2), v1::SCOPE_SOURCE, v1::ACTION_REPEAT)});
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 2u);
  v1::VerdictErrors errors;
  ASSERT_TRUE(pipeline_->TakeErrors(errors));
  EXPECT_EQ(errors.entries(0).error(), v1::VERDICT_ERROR_INVALID);
  EXPECT_EQ(errors.entries(0).text().substr(0, 6), "scope:");
}

TEST_F(PacketRememberedTest, DecidersSeeTheStateAndNotItsMark) {
  const std::pair<uint32_t, v1::ConnectionState> rows[] = {
      {StateMark(kMarkMask, TrackedState::kUnknown), v1::CONNECTION_STATE_UNSPECIFIED},
      {StateMark(kMarkMask, TrackedState::kNew), v1::CONNECTION_STATE_NEW},
      {StateMark(kMarkMask, TrackedState::kEstablished), v1::CONNECTION_STATE_ESTABLISHED},
      {StateMark(kMarkMask, TrackedState::kRelated), v1::CONNECTION_STATE_RELATED},
      {StateMark(kMarkMask, TrackedState::kInvalid), v1::CONNECTION_STATE_INVALID},
      {StateMark(kMarkMask, TrackedState{7}), v1::CONNECTION_STATE_UNSPECIFIED},
  };
  uint32_t id = 0;
  for (const auto& [mark, state] : rows) {
    Push(++id, mark | RepeatMark(kMarkMask, 3) | 0x5);
    const auto asked = Asked();
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].connection_state(), state);
    EXPECT_EQ(asked[0].mark(), 0x5u);
    Answer({Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT)});
    EXPECT_EQ(queue_.given.at(id).mark, kDecided | 0x5) << "no slot, whatever it came with";
  }
}

TEST_F(PacketRememberedTest, RepeatsAreCountedWhateverTheState) {
  Answer(
      {Verdict(Present(1, StateMark(kMarkMask, TrackedState::kRelated) | RepeatMark(kMarkMask, 2)),
               v1::ACTION_REPEAT)});
  EXPECT_EQ(queue_.given.at(1).mark, RepeatMark(kMarkMask, 3));
}

}  // namespace
}  // namespace sluice::agent
