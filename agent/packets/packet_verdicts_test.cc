#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "agent/packets/packet_pipeline_fixture.h"

namespace sluice::agent {
namespace {

TEST_F(PacketPipelineTest, CarriesOutVerdicts) {
  Connect();
  Push(1, 0x5);
  Push(2);
  Push(3);
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[0].mark(), 0x5u);
  EXPECT_EQ(asked[0].transaction_id() >> 56, 2u);
  EXPECT_EQ(asked[0].hook(), v1::HOOK_FORWARD);
  EXPECT_EQ(asked[0].headers().destination_port(), 2u);
  Answer({Verdict(asked[2].transaction_id(), v1::ACTION_UNSPECIFIED),
          Verdict(asked[1].transaction_id(), v1::ACTION_DROP),
          Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT)});
  EXPECT_TRUE(queue_.given.at(1).accepted);
  EXPECT_EQ(queue_.given.at(1).mark, kDecided | 0x5);
  EXPECT_FALSE(queue_.given.at(2).accepted);
  EXPECT_FALSE(queue_.given.at(3).accepted) << "no action means drop";
  EXPECT_EQ(Stats().accepted(), 1u);
  EXPECT_EQ(Stats().dropped(), 2u);
  EXPECT_EQ(Stats().hold_time().count(), 3u);
}

TEST_F(PacketPipelineTest, VerdictsOfOneReplyAreOneSend) {
  Connect();
  for (uint32_t id = 1; id <= 100; ++id) Push(id);
  std::vector<v1::Verdict> verdicts;
  for (const v1::Packet& packet : Asked()) {
    verdicts.push_back(Verdict(packet.transaction_id(), v1::ACTION_ACCEPT));
  }
  const int before = queue_.sends;
  Answer(verdicts);
  EXPECT_EQ(queue_.sends - before, 1);
  EXPECT_EQ(queue_.given.size(), 100u);
}

TEST_F(PacketPipelineTest, MarksOnlyWhatIsTheDecidersToMark) {
  Connect();
  Push(1, 0xf0);
  v1::Verdict verdict = Verdict(Asked().at(0).transaction_id(), v1::ACTION_ACCEPT);
  verdict.set_mark(0xff00000f);
  verdict.set_mark_mask(0xff0000ff);
  Answer({verdict});
  EXPECT_EQ(queue_.given.at(1).mark, kDecided | 0x0f);
}

TEST_F(PacketPipelineTest, DropsByTheMarkOfTheNotifyChain) {
  Connect();
  Push(1, 0x5);
  Push(2);
  const auto asked = Asked();
  v1::Verdict reset = Verdict(asked[0].transaction_id(), v1::ACTION_DROP);
  reset.set_notify(v1::NOTIFY_TCP_RESET);
  v1::Verdict unheard_of = Verdict(asked[1].transaction_id(), v1::ACTION_DROP);
  unheard_of.set_notify(static_cast<v1::Notify>(77));
  Answer({reset, unheard_of});
  EXPECT_TRUE(queue_.given.at(1).accepted) << "the guard drops it";
  EXPECT_EQ(queue_.given.at(1).mark, 0x5u | 0x88000000) << "not decided";
  EXPECT_FALSE(queue_.given.at(2).accepted);
  EXPECT_EQ(Stats().dropped(), 2u);
}

TEST_F(PacketPipelineTest, RepeatsUpToTheLimit) {
  Connect();
  uint32_t mark = 0x5;
  for (uint32_t id = 1; id <= 8; ++id) {
    Push(id, mark);
    const auto asked = Asked();
    EXPECT_EQ(asked.at(0).mark(), 0x5u) << "how often is not the decider's to see";
    Answer({Verdict(asked.at(0).transaction_id(), v1::ACTION_REPEAT)});
    if (id < 8) {
      EXPECT_EQ(queue_.given.at(id).verdict, 4u);
      mark = queue_.given.at(id).mark.value();
    }
  }
  EXPECT_EQ(queue_.given.at(8).verdict, 0u);
  EXPECT_EQ(Stats().repeated(), 7u);
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 1u);
}

TEST_F(PacketPipelineTest, RequeuesToOurQueuesUndecidedAndToOthersDecided) {
  PipelineOptions options;
  options.queue = 42;  // the agent has 40 to 43
  Make(options);
  Connect();
  Push(1);
  Push(2);
  Push(3);
  const auto asked = Asked();
  std::vector<v1::Verdict> verdicts;
  for (uint32_t i = 0; i < 3; ++i) {
    verdicts.push_back(Verdict(asked.at(i).transaction_id(), v1::ACTION_REQUEUE));
  }
  verdicts[0].set_requeue_to(43);
  verdicts[1].set_requeue_to(8);
  verdicts[2].set_requeue_to(65536);
  Answer(verdicts);
  EXPECT_EQ(queue_.given.at(1).verdict, 43u << 16 | 3);
  EXPECT_EQ(queue_.given.at(1).mark, 0x10000000u) << "once, undecided";
  EXPECT_EQ(queue_.given.at(2).verdict, 8u << 16 | 3);
  EXPECT_EQ(queue_.given.at(2).mark, kDecided) << "the guard lets another program's verdict stand";
  EXPECT_EQ(queue_.given.at(3).verdict, 0u);
  EXPECT_EQ(Stats().requeued(), 2u);
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 1u);
}

TEST_F(PacketPipelineTest, HoldsWithinTheLimit) {
  PipelineOptions options;
  options.hold_limit_ns = 300 * kMs;
  Make(options);
  Connect();
  Push(1);
  v1::Verdict hold = Verdict(Asked().at(0).transaction_id(), v1::ACTION_HOLD);
  hold.mutable_hold_for()->set_nanos(100 * kMs);
  Answer({hold});
  At(149);
  EXPECT_EQ(Stats().pending(), 1u);
  hold.mutable_hold_for()->set_seconds(1'000'000'000'000);
  Answer({hold});
  At(299);
  EXPECT_EQ(Stats().pending(), 1u);
  EXPECT_EQ(Stats().held(), 2u);
  At(300);
  EXPECT_EQ(Stats().stale().dropped(), 1u);
  Answer({hold});
  EXPECT_EQ(Stats().late(), 1u);
}

TEST_F(PacketPipelineTest, RefusesToHoldForNoTime) {
  Connect();
  Push(1);
  Answer({Verdict(Asked().at(0).transaction_id(), v1::ACTION_HOLD)});
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 1u);
  EXPECT_EQ(Stats().held(), 0u);
}

TEST_F(PacketPipelineTest, StrictOrderDoesNotSpareWhatIsHeld) {
  v1::PacketOptions packet_options;
  packet_options.set_ordering(v1::ORDERING_STRICT);
  Connect(packet_options);
  Push(1);
  Push(2);
  const auto asked = Asked();
  v1::Verdict hold = Verdict(asked.at(0).transaction_id(), v1::ACTION_HOLD);
  hold.mutable_hold_for()->set_seconds(1);
  Answer({hold});
  EXPECT_EQ(Stats().badsync().dropped(), 0u);
  Answer({Verdict(asked.at(1).transaction_id(), v1::ACTION_ACCEPT)});
  EXPECT_EQ(Stats().badsync().dropped(), 1u);
}

TEST_F(PacketPipelineTest, RewritesNoPacketOfWhichItShowedAPart) {
  v1::PacketOptions packet_options;
  packet_options.set_rewrite(true);
  packet_options.set_copy_range(20);
  Connect(packet_options);
  Push(1);
  const auto asked = Asked();
  v1::Verdict verdict = Verdict(asked.at(0).transaction_id(), v1::ACTION_ACCEPT);
  verdict.set_payload(asked[0].payload());
  Answer({verdict});
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 1u);
}

TEST_F(PacketPipelineTest, RewritesPacketsItSawWhole) {
  v1::PacketOptions packet_options;
  packet_options.set_rewrite(true);
  Connect(packet_options);
  EXPECT_FALSE(queue_.flags.gso);
  EXPECT_EQ(queue_.range.bytes, kLargestCopyRange);
  Push(1);
  Push(2);
  Push(3);
  const auto asked = Asked();
  // Two bytes more of payload; the checksums are wrong.
  std::string grown = asked.at(0).payload() + "hi";
  grown[3] = 30;
  grown[25] = 10;
  std::vector<v1::Verdict> verdicts;
  for (const v1::Packet& packet : asked) {
    verdicts.push_back(Verdict(packet.transaction_id(), v1::ACTION_ACCEPT));
    verdicts.back().set_payload(grown);
  }
  verdicts[0].set_fix_checksums(true);
  verdicts[2].set_payload(grown + "!");
  Answer(verdicts);
  const std::string& fixed = queue_.given.at(1).payload;
  ASSERT_EQ(fixed.size(), 30u);
  EXPECT_EQ(fixed.substr(28), "hi");
  EXPECT_NE(fixed.substr(10, 2), std::string(2, '\0'));
  EXPECT_NE(fixed.substr(26, 2), std::string(2, '\0'));
  EXPECT_EQ(queue_.given.at(2).payload, grown) << "not asked to repair it";
  EXPECT_EQ(queue_.given.at(1).mark, kDecided);
  EXPECT_FALSE(queue_.given.at(3).accepted) << "longer than its header says";
  EXPECT_EQ(Stats().accepted(), 2u);
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 1u);
}

TEST_F(PacketPipelineTest, IgnoresThePayloadOfWhatItDrops) {
  PipelineOptions options;
  options.fail_open = true;
  Make(options);
  Connect();
  Push(1);
  v1::Verdict verdict = Verdict(Asked().at(0).transaction_id(), v1::ACTION_DROP);
  verdict.set_payload("nonsense");
  Answer({verdict});
  EXPECT_FALSE(queue_.given.at(1).accepted) << "it must not become a fallback that accepts";
  EXPECT_EQ(Stats().dropped(), 1u);
}

TEST_F(PacketPipelineTest, ShadowForwardsAllAndCountsWhatWouldHaveBeenDropped) {
  pipeline_->EnterMode(v1::MODE_SHADOW);
  EXPECT_TRUE(queue_.flags.fail_open);
  Connect();
  for (uint32_t id = 1; id <= 4; ++id) Push(id);
  EXPECT_TRUE(queue_.given.at(4).accepted) << "before there is a verdict";
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 4u);
  v1::Verdict dropped = Verdict(asked[1].transaction_id(), v1::ACTION_DROP);
  dropped.set_notify(v1::NOTIFY_TCP_RESET);
  Answer({Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT), dropped,
          Verdict(asked[2].transaction_id(), v1::ACTION_REPEAT)});
  At(50);
  EXPECT_EQ(Stats().accepted(), 3u);
  EXPECT_EQ(Stats().dropped(), 0u);
  EXPECT_EQ(Stats().stale().accepted(), 1u);
  EXPECT_EQ(Stats().shadow_dropped(), 2u);
  pipeline_->EnterMode(v1::MODE_ON);
  EXPECT_FALSE(queue_.flags.fail_open);
}

TEST_F(PacketPipelineTest, GoingToShadowLetsGoWhatIsPending) {
  Connect();
  Push(1);
  pipeline_->EnterMode(v1::MODE_SHADOW);
  pipeline_->Flush();
  EXPECT_TRUE(queue_.given.at(1).accepted);
  EXPECT_EQ(Stats().pending(), 1u);
  Answer({Verdict(Asked().at(0).transaction_id(), v1::ACTION_DROP)});
  EXPECT_EQ(Stats().shadow_dropped(), 1u);
}

TEST_F(PacketPipelineTest, TellsTheDeciderWhatTheKernelRefused) {
  Connect();
  Push(1);
  const uint64_t id = Asked().at(0).transaction_id();
  Answer({Verdict(id, v1::ACTION_ACCEPT)});
  pipeline_->OnKernelError(1, ENOENT);
  v1::VerdictErrors errors;
  ASSERT_TRUE(pipeline_->TakeErrors(errors));
  EXPECT_EQ(errors.entries(0).transaction_id(), id);
  EXPECT_EQ(errors.entries(0).error(), v1::VERDICT_ERROR_KERNEL);
  EXPECT_EQ(errors.entries(0).system_errno(), ENOENT);
}

TEST_F(PacketPipelineTest, GivesTheFallbackForImpossibleVerdicts) {
  Connect();
  Push(1);
  Push(2);
  const auto asked = Asked();
  v1::Verdict rewrite = Verdict(asked[1].transaction_id(), v1::ACTION_ACCEPT);
  rewrite.set_payload("x");
  Answer({Verdict(asked[0].transaction_id(), static_cast<v1::Action>(99)), rewrite});
  EXPECT_EQ(Stats().invalid_verdict().dropped(), 2u);
  v1::VerdictErrors errors;
  ASSERT_TRUE(pipeline_->TakeErrors(errors));
  EXPECT_EQ(errors.entries(0).error(), v1::VERDICT_ERROR_INVALID);
}

TEST_F(PacketPipelineTest, DropsOlderPacketsInStrictOrder) {
  v1::PacketOptions packet_options;
  packet_options.set_ordering(v1::ORDERING_STRICT);
  Connect(packet_options);
  for (uint32_t id = 1; id <= 3; ++id) Push(id);
  Answer({Verdict(Asked().at(2).transaction_id(), v1::ACTION_ACCEPT)});
  EXPECT_EQ(Stats().badsync().dropped(), 2u);
  EXPECT_TRUE(queue_.given.at(3).accepted);
}

}  // namespace
}  // namespace sluice::agent
