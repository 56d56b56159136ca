#include <gtest/gtest.h>

#include <cerrno>

#include "agent/packets/packet_pipeline_fixture.h"

namespace sluice::agent {
namespace {

TEST_F(PacketPipelineTest, DropsWhatIsNotAnsweredInTime) {
  Connect();
  Push(1);
  const auto asked = Asked();
  At(49);
  EXPECT_TRUE(queue_.given.empty());
  At(50);
  pipeline_->Flush();
  EXPECT_FALSE(queue_.given.at(1).accepted);
  EXPECT_EQ(Stats().stale().dropped(), 1u);
  Answer({Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT)});
  EXPECT_EQ(Stats().late(), 1u);
  ASSERT_EQ(events_.events.size(), 1u);
  const v1::PacketEvent& event = events_.events[0].packet();
  EXPECT_EQ(event.cause(), v1::CAUSE_STALE);
  EXPECT_EQ(event.action(), v1::ACTION_DROP);
  EXPECT_EQ(event.waited_us(), 50'000u);
  EXPECT_EQ(event.transaction_id(), asked[0].transaction_id());
}

TEST_F(PacketPipelineTest, AcceptsUnansweredPacketsFailingOpen) {
  PipelineOptions options;
  options.fail_open = true;
  Make(options);
  Connect();
  Push(1);
  At(50);
  pipeline_->Flush();
  EXPECT_TRUE(queue_.given.at(1).accepted);
  EXPECT_EQ(Stats().stale().accepted(), 1u);
}

TEST_F(PacketPipelineTest, DoesNotSendWhatWouldArriveTooLate) {
  Connect();
  Push(1);
  At(40);
  EXPECT_EQ(pipeline_->NextBatch(10 * kMs), nullptr);
  Push(2);
  v1::PacketBatch* batch = pipeline_->NextBatch(10 * kMs);
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->packets_size(), 1);
  EXPECT_EQ(batch->time_left().nanos(), 40 * kMs);
}

// More packets than stay unpacked: the next decider is shown the same nevertheless.
TEST_F(PacketPipelineTest, ShowsManyPacketsToTheNextDeciderAsToTheFirst) {
  Connect();
  for (uint32_t id = 1; id <= 3000; ++id) Push(id);
  const std::vector<v1::Packet> first = Asked();
  ASSERT_EQ(first.size(), 3000u);
  pipeline_->OnLost();
  Connect();
  const std::vector<v1::Packet> second = Asked();
  ASSERT_EQ(second.size(), 3000u);
  for (size_t i = 0; i < first.size(); ++i) {
    ASSERT_EQ(first[i].SerializeAsString(), second[i].SerializeAsString()) << i;
  }
  EXPECT_EQ(Stats().asked_again(), 3000u);
}

TEST_F(PacketPipelineTest, GivesTheFallbackOnceEveryServerWasTried) {
  Push(1);
  EXPECT_TRUE(queue_.given.empty()) << "a server may yet be reached";
  pipeline_->OnNobody();
  pipeline_->Flush();
  EXPECT_FALSE(queue_.given.at(1).accepted);
  Push(2);
  EXPECT_FALSE(queue_.given.at(2).accepted) << "at once";
  Connect();
  Push(3);
  pipeline_->OnLost();
  Push(4);
  pipeline_->OnNobody();
  pipeline_->Flush();
  EXPECT_EQ(Stats().no_decider().dropped(), 4u);
  EXPECT_TRUE(Asked().empty());
}

TEST_F(PacketPipelineTest, AsksAnotherDeciderAgainIfTimeIsLeft) {
  Connect();
  Push(1);
  const auto before = Asked();
  At(10);
  pipeline_->OnLost();
  Push(2);
  At(20);
  ASSERT_TRUE(Welcome(kStream + 1).ok());
  const auto after = Asked();
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].transaction_id(), before[0].transaction_id());
  EXPECT_EQ(after[0].payload(), before[0].payload());
  EXPECT_EQ(after[0].waited_us(), 20'000u);
  EXPECT_EQ(Stats().asked_again(), 1u) << "the second is asked about for the first time";
  Answer({Verdict(after[0].transaction_id(), v1::ACTION_ACCEPT)}, kStream);
  EXPECT_EQ(Stats().wrong_owner(), 1u) << "ids are valid on the stream they were presented on";
  Answer({Verdict(after[0].transaction_id(), v1::ACTION_ACCEPT),
          Verdict(after[1].transaction_id(), v1::ACTION_DROP)},
         kStream + 1);
  EXPECT_EQ(Stats().accepted(), 1u);
  EXPECT_EQ(Stats().dropped(), 1u);
}

TEST_F(PacketPipelineTest, WhoWaitsForADeciderInVainHadNone) {
  Connect();
  Push(1);
  pipeline_->OnLost();
  At(50);
  EXPECT_EQ(Stats().no_decider().dropped(), 1u);
  EXPECT_EQ(Stats().stale().dropped(), 0u);
}

TEST_F(PacketPipelineTest, AsksTheNextDeciderOnlyAboutItsFamilies) {
  Connect();
  Push(1);
  pipeline_->OnLost();
  v1::PacketOptions packet_options;
  packet_options.add_families(v1::FAMILY_IPV6);
  Connect(packet_options);
  EXPECT_TRUE(Asked().empty());
  EXPECT_EQ(Stats().family_unasked().dropped(), 1u);
}

TEST_F(PacketPipelineTest, SaysForHowLongPacketsWentStale) {
  Connect();
  Push(1);
  At(50);
  EXPECT_EQ(pipeline_->unanswered_ns(), 0);
  At(3000);
  EXPECT_EQ(pipeline_->unanswered_ns(), 0) << "nothing was asked meanwhile";
  Push(2);
  At(3050);
  EXPECT_EQ(pipeline_->unanswered_ns(), 3000 * kMs);
  Push(3);
  Answer({Verdict(Asked().at(0).transaction_id(), v1::ACTION_ACCEPT)});
  At(3100);
  EXPECT_EQ(pipeline_->unanswered_ns(), 0);
}

TEST_F(PacketPipelineTest, BoundsTheBytesThatArePending) {
  PipelineOptions options;
  options.max_pending_bytes = 60;
  Make(options);
  Connect();
  for (uint32_t id = 1; id <= 3; ++id) Push(id);
  EXPECT_EQ(Stats().pending_bytes(), 56u);
  EXPECT_EQ(Stats().table_full().dropped(), 1u);
}

TEST_F(PacketPipelineTest, BoundsWhatIsPending) {
  PipelineOptions options;
  options.max_pending = 2;
  Make(options);
  Connect();
  for (uint32_t id = 1; id <= 5; ++id) Push(id);
  EXPECT_EQ(Stats().pending(), 2u);
  EXPECT_EQ(Stats().table_full().dropped(), 3u);
}

TEST_F(PacketPipelineTest, CountsAnswersThatDecideNothing) {
  Connect();
  Push(1);
  const uint64_t id = Asked().at(0).transaction_id();
  Answer({Verdict(id, v1::ACTION_ACCEPT), Verdict(id, v1::ACTION_ACCEPT),
          Verdict(id + 1, v1::ACTION_ACCEPT), Verdict(uint64_t{3} << 56 | 1, v1::ACTION_ACCEPT),
          Verdict(uint64_t{9} << 56 | 1, v1::ACTION_ACCEPT), Verdict(0, v1::ACTION_ACCEPT)});
  EXPECT_EQ(Stats().accepted(), 1u);
  EXPECT_EQ(Stats().duplicate(), 1u);
  EXPECT_EQ(Stats().unknown(), 2u);
  EXPECT_EQ(Stats().wrong_owner(), 2u) << "0 and 3 are the numbers of other queues";
  v1::VerdictErrors errors;
  ASSERT_TRUE(pipeline_->TakeErrors(errors));
  EXPECT_EQ(errors.entries_size(), 5);
  EXPECT_FALSE(pipeline_->TakeErrors(errors));
}

TEST_F(PacketPipelineTest, RefusesAStrangersAnswer) {
  Connect();
  Push(1);
  const uint64_t id = Asked().at(0).transaction_id();
  Answer({Verdict(id, v1::ACTION_ACCEPT)}, kStream + 1);
  EXPECT_EQ(Stats().wrong_owner(), 1u);
  EXPECT_EQ(Stats().pending(), 1u);
}

TEST_F(PacketPipelineTest, SettlesMalformedPacketsItself) {
  PipelineOptions options;
  options.fail_open = true;
  Make(options);
  Connect();
  Push(1, 0, 0x0806);
  EXPECT_FALSE(queue_.given.at(1).accepted) << "even failing open";
  EXPECT_EQ(Stats().malformed().dropped(), 1u);
}

TEST_F(PacketPipelineTest, AsksOnlyAboutTheFamiliesWanted) {
  v1::PacketOptions packet_options;
  packet_options.add_families(v1::FAMILY_IPV4);
  Connect(packet_options);
  Push(1);
  Push(2, 0, 0x86dd);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Stats().family_unasked().dropped(), 1u);
}

TEST_F(PacketPipelineTest, RefusedOptionsChangeNothing) {
  Connect();
  const CopyRange range = queue_.range;
  const QueueFlags flags = queue_.flags;
  v1::PacketOptions packet_options;
  packet_options.set_rewrite(true);
  for (absl::Status* const failure : {&queue_.copy_range_failure, &queue_.flags_failure}) {
    *failure = absl::InternalError("refused");
    EXPECT_EQ(Retune(packet_options), *failure);
    EXPECT_EQ(queue_.range, range);
    EXPECT_EQ(queue_.flags, flags);
    *failure = absl::OkStatus();
  }
  EXPECT_TRUE(Retune(packet_options).ok());
  EXPECT_NE(queue_.range, range);
  EXPECT_NE(queue_.flags, flags);
}

TEST_F(PacketPipelineTest, NamesOfPoliciesAreBounded) {
  v1::DecideWelcome welcome;
  v1::Retune retune;
  welcome.set_policy_token(std::string(256, 't'));
  welcome.set_policy_label(std::string(256, 'l'));
  EXPECT_TRUE(pipeline_->OnWelcome(kStream, welcome).ok());
  welcome.set_policy_token(std::string(257, 't'));
  EXPECT_TRUE(absl::IsInvalidArgument(pipeline_->OnWelcome(kStream, welcome)));
  EXPECT_FALSE(Retune({}, std::string(257, 't')).ok());
  EXPECT_TRUE(Retune({}, std::string(256, 't')).ok());
  retune.set_policy_label(std::string(257, 'l'));
  EXPECT_TRUE(absl::IsInvalidArgument(pipeline_->OnRetune(retune)));
}

TEST_F(PacketPipelineTest, ChecksCopyOptions) {
  v1::PacketOptions packet_options;
  packet_options.set_copy_mode(v1::COPY_MODE_NONE);
  EXPECT_FALSE(Welcome(kStream, packet_options).ok());
  packet_options.set_copy_mode(static_cast<v1::CopyMode>(9));
  EXPECT_FALSE(Welcome(kStream, packet_options).ok());
  packet_options.set_copy_mode(v1::COPY_MODE_PACKET);
  packet_options.set_copy_range(65532);
  EXPECT_FALSE(Welcome(kStream, packet_options).ok());
  packet_options.set_copy_range(40);
  EXPECT_TRUE(Welcome(kStream, packet_options).ok());
  EXPECT_EQ(queue_.range, (CopyRange{.meta = false, .bytes = 128})) << "headers are read in these";
  packet_options.set_copy_range(200);
  EXPECT_TRUE(Retune(packet_options).ok());
  EXPECT_EQ(queue_.range, (CopyRange{.meta = false, .bytes = 200}));
  packet_options.set_copy_mode(v1::COPY_MODE_META);
  EXPECT_TRUE(Retune(packet_options).ok());
  EXPECT_TRUE(queue_.range.meta);
}

TEST_F(PacketPipelineTest, ReadsHeadersBeyondWhatItShows) {
  for (const uint32_t range : {1, 19, 20, 23}) {
    v1::PacketOptions packet_options;
    packet_options.set_copy_range(range);
    Connect(packet_options);
    Push(range);
    const auto asked = Asked();
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].payload().size(), range);
    EXPECT_EQ(asked[0].headers().source().size(), 4u);
    EXPECT_EQ(asked[0].headers().protocol(), 17u);
    EXPECT_TRUE(asked[0].headers().has_destination_port());
    EXPECT_FALSE(asked[0].headers().cut_short());
    Answer({Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT)});
  }
  EXPECT_EQ(Stats().pending_bytes(), 0u);
}

TEST_F(PacketPipelineTest, RefusesFamiliesThereAreNot) {
  v1::PacketOptions packet_options;
  packet_options.add_families(v1::FAMILY_IPV4);
  packet_options.add_families(static_cast<v1::Family>(7));
  const absl::Status status = Welcome(kStream, packet_options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("families: 7"), absl::string_view::npos) << status;
  Connect();
  EXPECT_FALSE(Retune(packet_options).ok());
  Push(1, 0, 0x86dd);
  EXPECT_EQ(Asked().size(), 1u) << "the packet_options are as before";
}

TEST_F(PacketPipelineTest, ModeOffAcceptsWithoutAMark) {
  Connect();
  Push(1, 0x7);
  pipeline_->EnterMode(v1::MODE_OFF);
  Push(2);
  pipeline_->Flush();
  EXPECT_TRUE(queue_.given.at(1).accepted);
  EXPECT_FALSE(queue_.given.at(1).mark) << "nothing would clear our bit any more";
  EXPECT_TRUE(queue_.given.at(2).accepted);
  EXPECT_EQ(Stats().mode_off().accepted(), 2u);
  EXPECT_TRUE(Asked().empty());
}

TEST_F(PacketPipelineTest, CountsAnewWhatTheKernelRefuses) {
  Connect();
  Push(1);
  Push(2);
  const auto asked = Asked();
  Answer({Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT),
          Verdict(asked[1].transaction_id(), v1::ACTION_ACCEPT)});
  pipeline_->OnKernelError(1, ENOENT);
  pipeline_->OnKernelError(2, EINVAL);
  pipeline_->OnKernelError(2, EINVAL);
  pipeline_->OnKernelError(12345, ENOENT);
  EXPECT_EQ(Stats().accepted(), 0u);
  EXPECT_EQ(Stats().flushed().dropped(), 1u);
  EXPECT_EQ(Stats().send_failed().dropped(), 1u);
}

TEST_F(PacketPipelineTest, CountsWhatCouldNotBeSent) {
  queue_.failure = absl::InternalError("no buffer");
  pipeline_->OnNobody();
  Push(1);
  Push(2);
  EXPECT_EQ(Stats().no_decider().dropped(), 0u);
  EXPECT_EQ(Stats().send_failed().dropped(), 2u);
}

TEST_F(PacketPipelineTest, CountsPacketsTheKernelCouldNotDeliver) {
  Push(3);
  Push(4);
  Push(10);
  EXPECT_EQ(pipeline_->missed(), 7u);
}

TEST_F(PacketPipelineTest, NoticesAreLimitedAndSaySo) {
  pipeline_->OnNobody();
  for (uint32_t id = 1; id <= 250; ++id) Push(id);
  EXPECT_EQ(events_.events.size(), 100u);
  At(1000);
  Push(251);
  ASSERT_EQ(events_.events.size(), 101u);
  EXPECT_EQ(events_.events.back().packet().suppressed(), 150u);
}

}  // namespace
}  // namespace sluice::agent
