#include "agent/packet_pipeline.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace sluice::agent {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr uint32_t kMarkMask = 0xff000000;
constexpr uint32_t kDecided = 0x01000000;
constexpr uint32_t kStream = 1;
constexpr uint8_t kUdp[] = {0x45, 0, 0,  28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0,
                            0,    1, 10, 0,  0, 2, 0, 1, 0,  2,  0, 8, 0,  0};

struct Given {
  bool accepted = false;
  uint32_t verdict = 0;
  std::optional<uint32_t> mark = {};
  std::string payload = {};
};

// Remembers what the kernel was told of each packet.
class FakeQueue final : public PacketQueue {
 public:
  absl::Status Send(const VerdictBuffer& verdicts) override {
    ++sends;
    if (!failure.ok()) return failure;
    const auto bytes = verdicts.bytes();
    for (size_t at = 0; at < bytes.size();) {
      nlmsghdr header;
      std::memcpy(&header, bytes.data() + at, sizeof header);
      nfqnl_msg_verdict_hdr verdict;
      std::memcpy(&verdict, bytes.data() + at + 24, sizeof verdict);
      Given one{.accepted = ntohl(verdict.verdict) == 1, .verdict = ntohl(verdict.verdict)};
      for (size_t attribute = at + 32; attribute < at + header.nlmsg_len;) {
        nlattr head;
        std::memcpy(&head, bytes.data() + attribute, sizeof head);
        const auto* value = reinterpret_cast<const char*>(bytes.data() + attribute + sizeof head);
        if (head.nla_type == NFQA_MARK) {
          uint32_t mark;
          std::memcpy(&mark, value, sizeof mark);
          one.mark = ntohl(mark);
        } else if (head.nla_type == NFQA_PAYLOAD) {
          one.payload.assign(value, head.nla_len - sizeof head);
        }
        attribute += (head.nla_len + 3u) & ~3u;
      }
      EXPECT_TRUE(given.emplace(ntohl(verdict.id), one).second) << "answered twice";
      at += header.nlmsg_len;
    }
    return absl::OkStatus();
  }
  absl::Status SetCopyRange(CopyRange wanted) override {
    range = wanted;
    return absl::OkStatus();
  }

  absl::Status SetFlags(QueueFlags wanted) override {
    flags = wanted;
    return absl::OkStatus();
  }

  std::map<uint32_t, Given> given;
  absl::Status failure;
  CopyRange range;
  QueueFlags flags;
  int sends = 0;
};

class FakeEvents final : public EventSink {
 public:
  void Post(v1::Event event) override { events.push_back(std::move(event)); }
  std::vector<v1::Event> events;
};

class PacketPipelineTest : public testing::Test {
 protected:
  PacketPipelineTest() { Make({}); }

  void Make(PipelineOptions options) {
    if (options.queue == 0) options.queue = 2;
    options.index = 2;
    options.queue_count = 4;
    options.mark_mask = kMarkMask;
    pipeline_.emplace(options, &queue_, nullptr, &events_);
    At(0);
    pipeline_->SetMode(v1::MODE_ON);
  }
  void Connect(v1::Wishes wishes = {}) { ASSERT_TRUE(pipeline_->OnWelcome(kStream, wishes).ok()); }
  void At(int64_t ms) {
    now_ns_ = 1000'000 * kMs + ms * kMs;
    pipeline_->BeginTurn(now_ns_, now_ns_ + 7 * kMs);
    pipeline_->ExpireDeadlines();
  }
  // A UDP packet of the family.
  void Push(uint32_t id, uint32_t mark = 0, uint16_t hw_protocol = 0x0800) {
    static const std::vector<uint8_t> v4(std::begin(kUdp), std::end(kUdp));
    static const std::vector<uint8_t> v6 = [] {
      std::vector<uint8_t> bytes(48);
      bytes[0] = 0x60;
      bytes[5] = 8;
      bytes[6] = 17;
      return bytes;
    }();
    QueuedPacket packet;
    packet.packet_id = id;
    packet.hw_protocol = hw_protocol;
    packet.hook = 2;
    packet.mark = mark;
    packet.has_payload = true;
    packet.payload = hw_protocol == 0x86dd ? v6 : v4;
    packet.original_length = static_cast<uint32_t>(packet.payload.size());
    pipeline_->OnPacket(packet);
    pipeline_->Flush();
  }
  // The packets that would be sent to the decider now.
  std::vector<v1::Packet> Asked() {
    std::vector<v1::Packet> asked;
    while (v1::PacketBatch* batch = pipeline_->NextBatch(0)) {
      asked.insert(asked.end(), batch->packets().begin(), batch->packets().end());
      pipeline_->BatchSent();
    }
    return asked;
  }
  void Answer(const std::vector<v1::Verdict>& verdicts, uint32_t stream = kStream) {
    v1::VerdictBatch batch;
    for (const v1::Verdict& verdict : verdicts) *batch.add_verdicts() = verdict;
    pipeline_->OnVerdicts(stream, batch);
    pipeline_->Flush();
  }
  static v1::Verdict Verdict(uint64_t id, v1::Action action) {
    v1::Verdict verdict;
    verdict.set_transaction_id(id);
    verdict.set_action(action);
    return verdict;
  }
  v1::QueueStats Stats() {
    v1::QueueStats stats;
    pipeline_->FillStats(stats);
    return stats;
  }
  static uint64_t Sum(const v1::Settled& settled) { return settled.dropped() + settled.accepted(); }

  void TearDown() override {
    pipeline_->Flush();
    const v1::QueueStats stats = Stats();
    EXPECT_EQ(stats.received(),
              stats.accepted() + stats.dropped() + stats.requeued() + stats.repeated_hook() +
                  Sum(stats.stale()) + Sum(stats.table_full()) + Sum(stats.no_decider()) +
                  Sum(stats.family_unasked()) + Sum(stats.badsync()) + Sum(stats.malformed()) +
                  Sum(stats.invalid_verdict()) + Sum(stats.send_failed()) + Sum(stats.flushed()) +
                  Sum(stats.mode_off()) + stats.pending());
    pipeline_->SettleAll();
    EXPECT_EQ(Stats().pending(), 0u);
    if (queue_.failure.ok()) {
      EXPECT_EQ(queue_.given.size(), stats.received()) << "a packet was left unanswered";
    }
  }

  FakeQueue queue_;
  FakeEvents events_;
  std::optional<PacketPipeline> pipeline_;
  int64_t now_ns_ = 0;
};

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

TEST_F(PacketPipelineTest, RefusesByTheMarkOfTheNotifyChain) {
  Connect();
  Push(1, 0x5);
  Push(2);
  const auto asked = Asked();
  v1::Verdict reset = Verdict(asked[0].transaction_id(), v1::ACTION_DROP);
  reset.set_notify(v1::NOTIFY_TCP_RESET);
  v1::Verdict unheard_of = Verdict(asked[1].transaction_id(), v1::ACTION_DROP);
  unheard_of.set_notify(static_cast<v1::Notify>(77));
  Answer({reset, unheard_of});
  EXPECT_TRUE(queue_.given.at(1).accepted) << "the chain behind rejects it";
  EXPECT_EQ(queue_.given.at(1).mark, 0x5u | 0x08000000) << "not decided";
  EXPECT_FALSE(queue_.given.at(2).accepted);
  EXPECT_EQ(Stats().dropped(), 2u);
}

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
  const v1::PacketNotice& notice = events_.events[0].packet();
  EXPECT_EQ(notice.cause(), v1::CAUSE_STALE);
  EXPECT_EQ(notice.action(), v1::ACTION_DROP);
  EXPECT_EQ(notice.waited_us(), 50'000u);
  EXPECT_EQ(notice.transaction_id(), asked[0].transaction_id());
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
  ASSERT_TRUE(pipeline_->OnWelcome(kStream + 1, {}).ok());
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
  v1::Wishes wishes;
  wishes.add_families(v1::FAMILY_IPV6);
  Connect(wishes);
  EXPECT_TRUE(Asked().empty());
  EXPECT_EQ(Stats().family_unasked().dropped(), 1u);
}

TEST_F(PacketPipelineTest, SaysForHowLongNothingWasAnswered) {
  Connect();
  Push(1);
  At(50);
  EXPECT_EQ(pipeline_->unanswered_ns(), 0);
  At(80);
  EXPECT_EQ(pipeline_->unanswered_ns(), 30 * kMs);
  Push(2);
  Answer({Verdict(Asked().at(0).transaction_id(), v1::ACTION_ACCEPT)});
  At(90);
  EXPECT_EQ(pipeline_->unanswered_ns(), 0);
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
  EXPECT_EQ(Stats().repeated_hook(), 7u);
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
  v1::Wishes wishes;
  wishes.set_ordering(v1::ORDERING_STRICT);
  Connect(wishes);
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

TEST_F(PacketPipelineTest, RewritesPacketsItSawWhole) {
  v1::Wishes wishes;
  wishes.set_rewrite(true);
  Connect(wishes);
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

TEST_F(PacketPipelineTest, ShadowForwardsAllAndCountsWhatWouldHaveBeenRefused) {
  pipeline_->SetMode(v1::MODE_SHADOW);
  EXPECT_TRUE(queue_.flags.fail_open);
  Connect();
  for (uint32_t id = 1; id <= 4; ++id) Push(id);
  EXPECT_TRUE(queue_.given.at(4).accepted) << "before there is a verdict";
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 4u);
  v1::Verdict refused = Verdict(asked[1].transaction_id(), v1::ACTION_DROP);
  refused.set_notify(v1::NOTIFY_TCP_RESET);
  Answer({Verdict(asked[0].transaction_id(), v1::ACTION_ACCEPT), refused,
          Verdict(asked[2].transaction_id(), v1::ACTION_REPEAT)});
  At(50);
  EXPECT_EQ(Stats().accepted(), 3u);
  EXPECT_EQ(Stats().dropped(), 0u);
  EXPECT_EQ(Stats().stale().accepted(), 1u);
  EXPECT_EQ(Stats().shadow_refused(), 2u);
  pipeline_->SetMode(v1::MODE_ON);
  EXPECT_FALSE(queue_.flags.fail_open);
}

TEST_F(PacketPipelineTest, GoingToShadowLetsGoWhatIsPending) {
  Connect();
  Push(1);
  pipeline_->SetMode(v1::MODE_SHADOW);
  pipeline_->Flush();
  EXPECT_TRUE(queue_.given.at(1).accepted);
  EXPECT_EQ(Stats().pending(), 1u);
  Answer({Verdict(Asked().at(0).transaction_id(), v1::ACTION_DROP)});
  EXPECT_EQ(Stats().shadow_refused(), 1u);
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
  v1::Wishes wishes;
  wishes.add_families(v1::FAMILY_IPV4);
  Connect(wishes);
  Push(1);
  Push(2, 0, 0x86dd);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Stats().family_unasked().dropped(), 1u);
}

TEST_F(PacketPipelineTest, DropsOlderPacketsInStrictOrder) {
  v1::Wishes wishes;
  wishes.set_ordering(v1::ORDERING_STRICT);
  Connect(wishes);
  for (uint32_t id = 1; id <= 3; ++id) Push(id);
  Answer({Verdict(Asked().at(2).transaction_id(), v1::ACTION_ACCEPT)});
  EXPECT_EQ(Stats().badsync().dropped(), 2u);
  EXPECT_TRUE(queue_.given.at(3).accepted);
}

TEST_F(PacketPipelineTest, ChecksCopyWishes) {
  v1::Wishes wishes;
  wishes.set_copy_mode(v1::COPY_MODE_NONE);
  EXPECT_FALSE(pipeline_->OnWelcome(kStream, wishes).ok());
  wishes.set_copy_mode(static_cast<v1::CopyMode>(9));
  EXPECT_FALSE(pipeline_->OnWelcome(kStream, wishes).ok());
  wishes.set_copy_mode(v1::COPY_MODE_PACKET);
  wishes.set_copy_range(65532);
  EXPECT_FALSE(pipeline_->OnWelcome(kStream, wishes).ok());
  wishes.set_copy_range(40);
  EXPECT_TRUE(pipeline_->OnWelcome(kStream, wishes).ok());
  EXPECT_EQ(queue_.range, (CopyRange{.meta = false, .bytes = 40}));
  wishes.set_copy_mode(v1::COPY_MODE_META);
  EXPECT_TRUE(pipeline_->OnRetune(wishes).ok());
  EXPECT_TRUE(queue_.range.meta);
}

TEST_F(PacketPipelineTest, ModeOffAcceptsWithoutAMark) {
  Connect();
  Push(1, 0x7);
  pipeline_->SetMode(v1::MODE_OFF);
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
