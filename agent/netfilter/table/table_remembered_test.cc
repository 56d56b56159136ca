// What the table remembers, and what it does to later packets, on a real kernel. The test plays the
// agent: it answers queued packets with the marks that an agent would give.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/queue/queue_socket.h"
#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint32_t kMask = 0xff000000;
constexpr uint32_t kFirst = ConnectionMark(kMask, 1);
constexpr uint32_t kSecond = ConnectionMark(kMask, 2);
constexpr uint32_t kForConnection = AcceptMark(kMask, kConnectionSlot);

class TableRememberedTest : public TableTestbed, public QueueMessages {
 protected:
  void SetUp() override {
    TableTestbed::SetUp();
    StartForwarding();
    auto queue = QueueSocket::Open({.receive_buffer = 1 << 20}, {});
    ASSERT_TRUE(queue.ok()) << queue.status();
    queue_ = *std::move(queue);
  }

  void Install(const TableOptions& options, TableMode mode = TableMode::kOn) {
    auto table = Table::Open(options);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    ASSERT_EQ(table_->Install(mode), absl::OkStatus());
    if (mode == TableMode::kOn) MarkConnections(kFirst);
  }
  // Makes accepted connections from inside to outside, and back, bear that mark.
  void MarkConnections(uint32_t mark, const char* from = "inside") {
    const auto devices = DevicePair::Of(if_nametoindex(from), if_nametoindex("outside"));
    ASSERT_EQ(
        table_->AddSlot(
            {.kind = {.accept = true, .scope = RememberedScope::kConnection, .devices = devices},
             .number = kConnectionSlot,
             .connection_mark = mark}),
        absl::OkStatus());
  }
  void Forget(uint32_t mark) {
    ASSERT_EQ(table_->Forget(), absl::OkStatus());
    MarkConnections(mark);
  }

  // QueueMessages.
  void OnPacket(const QueuedPacket& packet) override {
    asked_.push_back(packet.packet_id);
    mark_ = packet.mark;
  }
  void OnKernelError(uint32_t, int error) override { FAIL() << strerror(error); }
  void OnUnreadable() override { FAIL(); }

  // The packets that were asked about since the last call.
  std::vector<uint32_t> Asked() {
    asked_.clear();
    while (queue_->Receive(*this) == QueueSocket::Received::kSome) {
    }
    return asked_;
  }
  void Answer(uint32_t packet_id, uint32_t mark) {
    VerdictBuffer verdicts(0);
    verdicts.Add(packet_id, KernelVerdict::kAccept, mark);
    ASSERT_EQ(queue_->Send(verdicts), absl::OkStatus());
  }
  // Expects that exactly one packet has been asked about, and answers it.
  void AnswerOne(uint32_t mark) {
    const auto asked = Asked();
    ASSERT_EQ(asked.size(), 1u);
    Answer(asked[0], mark);
  }
  void AddSlot(const RememberedKind& kind, uint32_t number) {
    ASSERT_EQ(table_->AddSlot({.kind = kind, .number = number}), absl::OkStatus());
  }
  TableCounters Counters() {
    auto counters = table_->ReadCounters();
    EXPECT_TRUE(counters.ok()) << counters.status();
    return counters.value_or(TableCounters{});
  }
  void ExpectIntact() {
    const auto intact = table_->Intact();
    ASSERT_TRUE(intact.ok()) << intact.status();
    EXPECT_TRUE(*intact);
  }
  // The packets that were dropped where they came in.
  static uint64_t Early() {
    const std::string counter = Shell("nft list counter inet sluice dropped_early");
    return std::stoull(counter.substr(counter.find("packets ") + 8));
  }
  std::vector<RememberedEntry> Remembered(size_t limit = 0) {
    auto entries = table_->ReadRemembered(limit);
    EXPECT_TRUE(entries.ok()) << entries.status();
    return entries.value_or(std::vector<RememberedEntry>());
  }

  std::unique_ptr<QueueSocket> queue_;
  std::unique_ptr<Table> table_;
  std::vector<uint32_t> asked_;
  uint32_t mark_ = 0;  // Of the latest packet.
};

TEST_F(TableRememberedTest, AcceptedConnectionsPassBothWaysUnasked) {
  Install({});
  SendIpv4(1);
  AnswerOne(kForConnection);
  EXPECT_EQ(Received(), 1);
  AnswerIpv4(1);
  SendIpv4(1);
  EXPECT_EQ(Received(), 1);
  EXPECT_EQ(Answered(), 1);
  EXPECT_THAT(Asked(), IsEmpty());
  SendIpv6(1);
  AnswerOne(kForConnection);
  SendIpv6(1);
  EXPECT_EQ(Received(), 2);
  EXPECT_THAT(Asked(), IsEmpty());
  SendIpv4(2);
  EXPECT_EQ(Asked().size(), 1u) << "another connection";
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 3u);
  EXPECT_EQ(counters.asked, 3u);
  EXPECT_EQ(counters.entered, 2u);
  EXPECT_EQ(counters.kept, 2u);
  ExpectIntact();
}

TEST_F(TableRememberedTest, PlainVerdictsAreNotRemembered) {
  Install({});
  for (int i = 0; i < 3; ++i) {
    SendIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
  }
  EXPECT_EQ(Received(), 3);
  EXPECT_EQ(Counters().entered, 0u);
}

TEST_F(TableRememberedTest, ForgettingAsksAboutLiveConnections) {
  Install({});
  SendIpv4(1);
  AnswerOne(kForConnection);
  Forget(kSecond);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(kForConnection);
  SendIpv4(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 3);
  EXPECT_EQ(Counters().accepted_connection, 1u);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  MarkConnections(kFirst);
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 1u);
  EXPECT_EQ(counters.entered, 2u);
  EXPECT_EQ(counters.asked, 3u);
}

// The first trap: packets are queued before the slots are forgotten, and answered after.
TEST_F(TableRememberedTest, WhatASlotThatIsGoneSaysIsNotRemembered) {
  Install({});
  AddSlot({.accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60}, 3);
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(1);
  SendIpv4(2);
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 2u);
  Forget(kSecond);
  Answer(asked[0], AcceptMark(kMask, 3));
  Answer(asked[1], DropMark(kMask, kFirstDropSlot));
  EXPECT_EQ(Received(), 1) << "the verdict itself still counts";
  SendIpv4(1);
  SendIpv4(2);
  EXPECT_EQ(Asked().size(), 2u);
  EXPECT_EQ(Counters().entered, 0u);
}

// The second trap: others' rules restore connection marks, ours included, into packet marks, or
// save our packet marks in connections.
TEST_F(TableRememberedTest, OthersCannotPassWhatTheyRestoreOrSave) {
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type filter hook prerouting priority -150; }' && "
      "nft add rule ip theirs in meta mark set ct mark && "
      "nft add chain ip theirs after '{ type filter hook forward priority -151; }' && "
      "nft add rule ip theirs after ct mark set meta mark");
  Install({});
  for (const uint32_t mark :
       {AcceptMark(kMask, 0), kForConnection, AcceptMark(kMask, 0x7f), RepeatMark(kMask, 7)}) {
    Forget(kSecond);
    SendIpv4(1);
    AnswerOne(mark);
    Forget(kFirst);
    SendIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
  }
  Received();
}

TEST_F(TableRememberedTest, GenerationsThatOthersRestoreCountNoRepeats) {
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type filter hook prerouting priority -150; }' && "
      "nft add rule ip theirs in meta mark set ct mark");
  Install({});
  Forget(ConnectionMark(kMask, 56));
  SendIpv4(1);
  AnswerOne(kForConnection);
  Forget(kFirst);
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Repeats(kMask, mark_), 0u);
}

TEST_F(TableRememberedTest, RefusedSourcesAreDroppedUnasked) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  SendIpv6(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  for (int i = 0; i < 3; ++i) SendIpv4(1);
  SendIpv6(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 0);
  SendIpv4(2);
  EXPECT_EQ(Asked().size(), 1u) << "another source";
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.dropped_address, 4u);
  EXPECT_EQ(counters.entered, 2u);
  EXPECT_EQ(counters.kept, 2u);
  EXPECT_EQ(counters.guard_dropped, 0u);
  const auto entries = Remembered();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_FALSE(entries[0].accept);
  EXPECT_EQ(entries[0].scope, RememberedScope::kSource);
  EXPECT_EQ(entries[0].source, std::string("\xc6\x33\x64\x01", 4));
  EXPECT_GT(entries[0].expires_in_ms, 50'000u);
  EXPECT_LE(entries[0].expires_in_ms, 60'000u);
  EXPECT_EQ(entries[1].source.size(), 16u);
  ExpectIntact();
}

TEST_F(TableRememberedTest, NothingIsTrackedForTheSakeOfFloods) {
  Install({.connection_mark_mask = 0});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  for (int i = 0; i < 3; ++i) SendIpv4(1);
  EXPECT_EQ(Counters().dropped_address, 3u);
  EXPECT_EQ(Received(), 0);
  EXPECT_THAT(Shell("nft list table inet sluice"), Not(HasSubstr("chain early")));
}

TEST_F(TableRememberedTest, FloodsOfRefusedSourcesEndWhereTheyComeIn) {
  Install({});
  EXPECT_THAT(Shell("nft list table inet sluice 2>/dev/null"), Not(HasSubstr("chain early")));
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(2);  // Others' packets still pass there.
  AnswerOne(AcceptMark(kMask, 0));
  for (const bool ipv6 : {false, true}) {
    ipv6 ? SendIpv6(1) : SendIpv4(1);
    AnswerOne(DropMark(kMask, kFirstDropSlot));
    for (int i = 0; i < 5; ++i) ipv6 ? SendIpv6(1) : SendIpv4(1);
  }
  EXPECT_GT(Early(), 0u) << "all but the first of each, if they follow within a second";
  EXPECT_EQ(Counters().dropped_address, 10u);
  EXPECT_EQ(Received(), 1);
  ExpectIntact();
  Forget(kSecond);
  ExpectIntact();
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u) << "a lesson does not say which source is dropped";
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  SendIpv4(1);
  EXPECT_EQ(Counters().dropped_address, 11u);
  ASSERT_EQ(table_->Install(TableMode::kShadow), absl::OkStatus());
  ExpectIntact();
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Counters().dropped_address, 11u);
}

TEST_F(TableRememberedTest, TheNextAgentTakesOverEarlyChains) {
  const OlderKernel older;
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(2);
  ASSERT_EQ(Asked().size(), 1u);
  const uint32_t waiting = asked_[0];
  Install({});
  ExpectIntact();
  Answer(waiting, AcceptMark(kMask, 0));
  EXPECT_EQ(Received(), 1) << "what is queued stays";
  Shell("nft flush chain inet sluice early && nft delete chain inet sluice early");
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  MarkConnections(kFirst);
  ExpectIntact();
}

TEST_F(TableRememberedTest, NothingIsLearnedOfWhatIsTranslatedOrTold) {
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type nat hook prerouting priority -100; }' && "
      "nft add rule ip theirs in ip saddr 198.51.100.1 dnat to 203.0.113.7");
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  AddSlot({.notice = Notice::kHostUnreachable, .scope = RememberedScope::kSource, .lifetime_s = 60},
          kFirstDropSlot + 1);
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  SendIpv4(2);
  AnswerOne(DropMark(kMask, kFirstDropSlot + 1));
  for (int i = 0; i < 3; ++i) SendIpv4(1), SendIpv4(2);
  EXPECT_EQ(Early(), 0u);
  EXPECT_EQ(Counters().dropped_address, 6u);
}

TEST_F(TableRememberedTest, ARefusedSourceHasNoConnectionsThatGoOn) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(1);
  SendIpv4(1);
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 2u);
  Answer(asked[0], kForConnection);
  Answer(asked[1], DropMark(kMask, kFirstDropSlot));
  EXPECT_EQ(Received(), 1);
  SendIpv4(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 0);
}

// Remembered drops are looked up before remembered accepts only once there are any.
TEST_F(TableRememberedTest, CountersGoOnWhenTheFirstRefusalComes) {
  const IpNetwork answering = {.address = {203, 0, 113, 0}, .prefix_length = 24};
  Install({.exempt = {{.source = answering}}});
  SendIpv6(1);
  AnswerOne(kForConnection);
  SendIpv6(1);
  AnswerIpv4(1);
  AddSlot({.scope = RememberedScope::kPeer, .lifetime_s = 60}, kFirstDropSlot);
  ExpectIntact();
  SendIpv6(1);
  AnswerIpv4(1);
  AddSlot({.scope = RememberedScope::kPeer, .lifetime_s = 61}, kFirstDropSlot + 1);
  ExpectIntact();
  EXPECT_THAT(Asked(), IsEmpty());
  TableCounters counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 2u);
  EXPECT_EQ(counters.exempted, 2u);
  Forget(kSecond);
  ExpectIntact();
  SendIpv6(1);
  AnswerOne(kForConnection);
  SendIpv6(1);
  counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 3u);
  EXPECT_EQ(counters.asked, 2u);
}

TEST_F(TableRememberedTest, WhatIsExemptComesBeforeRefusals) {
  const OlderKernel older;
  const IpNetwork destination = {.address = {203, 0, 113, 1}, .prefix_length = 32};
  Install({.exempt = {{.destination = destination}}});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  Shell(
      "nft add element inet sluice sources4 "
      "'{ 198.51.100.1 . \"inside\" . 0 timeout 60s : 0x80000000 }'");
  SendIpv4(1);
  EXPECT_EQ(Received(), 1);
  EXPECT_EQ(Counters().exempted, 1u);
  EXPECT_EQ(Counters().dropped_address, 0u);
}

// Answers are exempt by the port they come from, even if packets to the same port were dropped.
TEST_F(TableRememberedTest, ExemptAnswersAreNotDroppedEarly) {
  const OlderKernel older;
  Install({.exempt = {{.protocol = 17, .port = 12345}}});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  const std::array<uint8_t, 8> from_another_port = {0x30, 0x38, 0x00, 0x35, 0, 8, 0, 0};
  Send({.transport = from_another_port});
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  do {
    for (int i = 0; i < 3; ++i) Send({.transport = from_another_port});
  } while (Early() == 0);  // A lesson holds for a second.
  SendIpv4(1);
  EXPECT_EQ(Received(), 1);
  EXPECT_EQ(Counters().exempted, 1u);
}

TEST_F(TableRememberedTest, RepeatsAreCountedInTheMark) {
  Install({});
  SendIpv4(1);
  for (uint32_t repeats = 1; repeats <= kMostRepeats; ++repeats) {
    const auto asked = Asked();
    ASSERT_EQ(asked.size(), 1u);
    VerdictBuffer verdicts(0);
    verdicts.Add(asked[0], KernelVerdict::kRepeat, RepeatMark(kMask, repeats));
    ASSERT_EQ(queue_->Send(verdicts), absl::OkStatus());
  }
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Repeats(kMask, mark_), kMostRepeats);
  EXPECT_EQ(StateNumber(kMask, mark_), static_cast<uint32_t>(TrackedState::kNew));
}

TEST_F(TableRememberedTest, AcceptedPeersAndSourcesPassUnasked) {
  Install({.fail_open = true});
  AddSlot({.accept = true, .scope = RememberedScope::kPeer, .lifetime_s = 60}, 3);
  AddSlot({.accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60}, 4);
  SendIpv4(1);
  AnswerOne(AcceptMark(kMask, 3));
  SendIpv6(1);
  AnswerOne(AcceptMark(kMask, 4));
  SendIpv4(1);
  SendIpv6(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 4);
  AnswerIpv4(1);
  AnswerOne(AcceptMark(kMask, 0));
  EXPECT_EQ(Answered(), 1) << "the other way is asked about";
  EXPECT_EQ(Counters().accepted_address, 2u);
  const auto entries = Remembered();
  ASSERT_EQ(entries.size(), 2u);
  for (const RememberedEntry& entry : entries) {
    EXPECT_TRUE(entry.accept);
    if (entry.scope != RememberedScope::kPeer) continue;
    EXPECT_EQ(entry.destination, std::string("\xcb\x00\x71\x01", 4));
    EXPECT_EQ(entry.protocol, 17);
    EXPECT_EQ(entry.destination_port, kPort);
    EXPECT_EQ(entry.source_port, 0);
  }
  EXPECT_EQ(Remembered(1).size(), 1u);
}

TEST_F(TableRememberedTest, RefusedConnectionsAreRefusedBothWays) {
  Install({});
  AddSlot({.scope = RememberedScope::kConnection, .lifetime_s = 60}, kFirstDropSlot);
  // A connection of which a packet was accepted before: its first packet creates it.
  for (const bool ipv6 : {false, true}) {
    ipv6 ? SendIpv6(1) : SendIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
    ipv6 ? SendIpv6(1) : SendIpv4(1);
    AnswerOne(DropMark(kMask, kFirstDropSlot));
    ipv6 ? SendIpv6(1) : SendIpv4(1);
  }
  AnswerIpv4(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 2);
  EXPECT_EQ(Answered(), 0);
  SendIpv4(2);
  AnswerOne(AcceptMark(kMask, 0));
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.dropped_connection, 3u);
  EXPECT_EQ(counters.dropped_address, 0u);
  EXPECT_EQ(counters.entered, 2u);
  const auto entries = Remembered();
  ASSERT_EQ(entries.size(), 4u) << "one each way";
  EXPECT_NE(entries[0].input_ifindex, entries[1].input_ifindex);
  EXPECT_EQ(entries[0].scope, RememberedScope::kConnection);
  EXPECT_EQ(entries[0].source_port, 12345);
  EXPECT_EQ(entries[0].destination_port, kPort);
}

TEST_F(TableRememberedTest, TellsSendersAgain) {
  Install({});
  const std::map<Notice, int> slots = {{Notice::kHostUnreachable, 10},
                                       {Notice::kAdminProhibited, 20},
                                       {Notice::kPortUnreachable, 30},
                                       {Notice::kTcpReset, 40}};
  uint8_t flow = 1;
  for (const auto& [notice, number] : slots) {
    for (const RememberedScope scope :
         {RememberedScope::kConnection, RememberedScope::kPeer, RememberedScope::kSource}) {
      const auto slot = static_cast<uint32_t>(number) + static_cast<uint32_t>(scope);
      AddSlot({.notice = notice, .scope = scope, .lifetime_s = 60}, slot);
      SendIpv4(++flow);
      AnswerOne(DropMark(kMask, slot));
      EXPECT_EQ(Errors(), 1) << "by verdict";
      SendIpv4(flow);
      SendIpv4(flow);
      EXPECT_THAT(Asked(), IsEmpty());
      EXPECT_EQ(Errors(), 2) << "by what is remembered";
    }
  }
  for (const RememberedEntry& entry : Remembered()) {
    EXPECT_NE(entry.notice, Notice::kNone);
  }
  ExpectIntact();
}

TEST_F(TableRememberedTest, FullSetsLetNothingPass) {
  Install({.remembered_limit = 16});
  AddSlot({.accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60}, 3);
  for (uint8_t flow = 1; flow <= 20; ++flow) {
    SendIpv4(flow);
    AnswerOne(AcceptMark(kMask, 3));
  }
  EXPECT_EQ(Received(), 20) << "decided as they were";
  for (uint8_t flow = 1; flow <= 20; ++flow) SendIpv4(flow);
  EXPECT_EQ(Asked().size(), 4u);
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.entered, 20u);
  EXPECT_EQ(counters.kept, 16u);
  EXPECT_EQ(Remembered().size(), 16u);
  const auto count = table_->CountRemembered();
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, 16u);
}

TEST_F(TableRememberedTest, EntriesLiveTheirTime) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 1}, kFirstDropSlot);
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  uint64_t dropped = 0;
  do {
    SendIpv4(1);
    ++dropped;
  } while (Asked().empty());
  EXPECT_EQ(Counters().dropped_address, dropped - 1);
  EXPECT_GT(dropped, 1u);
}

TEST_F(TableRememberedTest, ShadowRemembersNothing) {
  Install({}, TableMode::kShadow);
  SendIpv4(1);
  AnswerOne(kForConnection);
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Counters().entered, 0u);
}

TEST_F(TableRememberedTest, NothingOutlivesATableThatWasThrownAway) {
  const OlderKernel older;
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  Shell("nft flush ruleset");
  EXPECT_THAT(Remembered(), IsEmpty());
  EXPECT_EQ(table_->CountRemembered().value_or(1), 0u);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  MarkConnections(kSecond);
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
}

TEST_F(TableRememberedTest, TheNextAgentsTableIsEmpty) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  Install({});
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  ExpectIntact();
}

TEST_F(TableRememberedTest, TellsWhatConnectionTrackingMakesOfPackets) {
  Install({});
  const auto state = [this] {
    const auto asked = Asked();
    EXPECT_EQ(asked.size(), 1u);
    Answer(asked.at(0), AcceptMark(kMask, 0));
    return static_cast<TrackedState>(StateNumber(kMask, mark_));
  };
  SendIpv4(1);
  EXPECT_EQ(state(), TrackedState::kNew);
  SendIpv4(1);
  EXPECT_EQ(state(), TrackedState::kNew) << "not answered yet";
  AnswerIpv4(1);
  EXPECT_EQ(state(), TrackedState::kEstablished);
  SendIpv4(1);
  EXPECT_EQ(state(), TrackedState::kEstablished);
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type filter hook prerouting priority -300; }' && "
      "nft add rule ip theirs in ip saddr 198.51.100.2 notrack");
  SendIpv4(2);
  EXPECT_EQ(state(), TrackedState::kInvalid);
  Received();
  Answered();
}

TEST_F(TableRememberedTest, UntrackedConnectionsAreRememberedOneWay) {
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type filter hook prerouting priority -300; }' && "
      "nft add rule ip theirs in notrack");
  Install({});
  AddSlot({.scope = RememberedScope::kConnection, .lifetime_s = 30}, kFirstDropSlot);
  SendIpv4(1);
  AnswerOne(kForConnection);
  SendIpv4(2);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  for (int i = 0; i < 3; ++i) SendIpv4(1), SendIpv4(2);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 4);
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 3u);
  EXPECT_EQ(counters.dropped_connection, 3u);
  EXPECT_EQ(counters.entered, 2u);
  EXPECT_EQ(counters.kept, 2u);
  const std::array<uint8_t, 8> from_another_port = {0x30, 0x38, 0x00, 0x35, 0, 8, 0, 0};
  for (uint8_t flow = 1; flow <= 2; ++flow) {
    Send({.flow = flow, .transport = from_another_port});
    AnswerOne(AcceptMark(kMask, 0));
  }
  AnswerIpv4(1);
  AnswerOne(AcceptMark(kMask, 0));
  EXPECT_EQ(Answered(), 1);
  const auto entries = Remembered();
  ASSERT_EQ(entries.size(), 2u);
  for (const RememberedEntry& entry : entries) {
    EXPECT_EQ(entry.source_port, 12345);
    EXPECT_EQ(entry.destination_port, kPort);
    EXPECT_GT(entry.expires_in_ms, entry.accept ? 50'000u : 20'000u);
  }
  ExpectIntact();
}

TEST_F(TableRememberedTest, TellsWhatOthersWipe) {
  Install({});
  for (int i = 0; i < 5; ++i) SendIpv4(1);
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 5u) << "of one connection, before the first verdict";
  for (const uint32_t packet : asked) Answer(packet, kForConnection);
  TableCounters counters = Counters();
  EXPECT_EQ(counters.entered, 5u);
  EXPECT_EQ(counters.wiped, 0u) << "nobody has";
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs after '{ type filter hook forward priority 0; }' && "
      "nft add rule ip theirs after ct mark set ct mark and 0xffffff");
  SendIpv4(1);  // Passes unasked, and is wiped.
  for (int i = 0; i < 3; ++i) {
    SendIpv4(1);
    AnswerOne(kForConnection);
  }
  counters = Counters();
  EXPECT_EQ(counters.entered, 8u);
  EXPECT_EQ(counters.kept, 8u);
  EXPECT_EQ(counters.wiped, 3u);
  Forget(kSecond);
  SendIpv4(1);
  AnswerOne(kForConnection);
  EXPECT_EQ(Counters().wiped, 3u) << "another policy is nobody's wiping";
  Received();
  ExpectIntact();
}

// What becomes of notices.

TEST_F(TableRememberedTest, CountsWhoIsToldAndWhoIsNot) {
  Install({});
  const uint32_t unreachable = DropMark(kMask, Notice::kHostUnreachable);
  const uint32_t reset = DropMark(kMask, Notice::kTcpReset);
  const auto dropped = [this](const Sent& sent, uint32_t mark) {
    Send(sent);
    AnswerOne(mark);
    return Errors();
  };
  EXPECT_EQ(dropped({}, unreachable), 1);
  EXPECT_EQ(Counters().told, 1u);
  // Destination unreachable 3/0, with its checksum; no notice is sent about an error.
  EXPECT_EQ(dropped({.protocol = 1, .transport = {3, 0, 0xfc, 0xff}}, unreachable), 0);
  EXPECT_EQ(Counters().none_due, 1u);
  EXPECT_EQ(dropped({}, DropMark(kMask, Notice::kNone)), 0);
  EXPECT_EQ(dropped({}, reset), 1) << "of what is not TCP";
  EXPECT_EQ(Counters().told, 2u);
  Shell("ip route del 198.51.100.0/24 dev inside");
  EXPECT_EQ(dropped({.flow = 9}, unreachable), 0);
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.no_way_back, 1u);
  EXPECT_EQ(counters.told, 2u);
  EXPECT_EQ(counters.none_due, 1u);
  ExpectIntact();
}

TEST_F(TableRememberedTest, OperatorsCanReadIt) {
  Install({});
  AddSlot({.scope = RememberedScope::kPeer, .lifetime_s = 60}, kFirstDropSlot);
  SendIpv4(1);
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  const std::string listing = Shell("nft list table inet sluice 2>/dev/null");
  EXPECT_THAT(listing, HasSubstr("198.51.100.1 . 203.0.113.1 . udp . 53 . \"inside\""));
  EXPECT_THAT(
      listing,
      HasSubstr("type ipv4_addr . ipv4_addr . inet_proto . inet_service . iface_index : mark"));
}

// Which packets a remembered verdict holds for, and which not.
class TableReachTest : public TableRememberedTest, public ::testing::WithParamInterface<bool> {
 protected:
  bool ipv6() const { return GetParam(); }
  Sent Datagram(uint8_t flow = 1) const { return {.ipv6 = ipv6(), .flow = flow}; }
  Sent ByGuests(uint8_t flow = 1) const { return {.ipv6 = ipv6(), .flow = flow, .guests = true}; }
  uint8_t icmp() const { return ipv6() ? 58 : 1; }
  // An ICMP message; its checksum is right for IPv4.
  Sent Icmp(uint8_t type, uint8_t code = 0) const {
    const auto checksum = static_cast<uint16_t>(~(type << 8 | code));
    return {.ipv6 = ipv6(),
            .protocol = icmp(),
            .transport = {type, code, static_cast<uint8_t>(checksum >> 8),
                          static_cast<uint8_t>(checksum), 0, 0, 0, 0}};
  }
  uint8_t echo() const { return ipv6() ? 128 : 8; }
};
INSTANTIATE_TEST_SUITE_P(Families, TableReachTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Ipv6" : "Ipv4"; });

TEST_P(TableReachTest, AcceptedAddressesAreThoseOfTheirInterface) {
  Install({});
  for (const RememberedScope scope : {RememberedScope::kPeer, RememberedScope::kSource}) {
    const uint32_t slot = 3 + static_cast<uint32_t>(scope);
    const auto flow = static_cast<uint8_t>(slot);
    AddSlot({.accept = true, .scope = scope, .lifetime_s = 60}, slot);
    Send(Datagram(flow));
    AnswerOne(AcceptMark(kMask, slot));
    Send(Datagram(flow));
    EXPECT_THAT(Asked(), IsEmpty());
    EXPECT_EQ(Received(), 2);
    Send(ByGuests(flow));
    AnswerOne(DropMark(kMask, Notice::kNone));
    EXPECT_EQ(Received(), 0);
  }
  EXPECT_EQ(Remembered().size(), 2u);
  for (const RememberedEntry& entry : Remembered()) {
    EXPECT_EQ(entry.input_ifindex, if_nametoindex("inside"));
    EXPECT_EQ(entry.output_ifindex,
              entry.scope == RememberedScope::kPeer ? if_nametoindex("outside") : 0);
  }
}

TEST_P(TableReachTest, AcceptedConnectionsAreThoseOfTheirInterfaces) {
  Install({});
  Send(Datagram());
  AnswerOne(kForConnection);
  Send(Datagram());
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 2);
  Send(ByGuests());
  AnswerOne(DropMark(kMask, Notice::kNone));
  EXPECT_EQ(Received(), 0);
  // If the table does not know the devices yet, a verdict decides only its own packet.
  Send(ByGuests());
  AnswerOne(kForConnection);
  EXPECT_EQ(Received(), 1);
  Send(ByGuests());
  EXPECT_EQ(Asked().size(), 1u);
  MarkConnections(ConnectionMark(kMask, 3), "guests");
  Send(ByGuests());
  AnswerOne(kForConnection);
  Send(ByGuests());
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 2);
  Send(Datagram());
  EXPECT_EQ(Asked().size(), 1u) << "it has changed sides";
  EXPECT_EQ(Counters().wiped, 0u);
  ExpectIntact();
}

TEST_P(TableReachTest, ConnectionsForWhoseDevicesThereIsNoMarkAreEntered) {
  Install({});
  const uint32_t entered = AcceptMark(kMask, kEnteredConnectionSlot);
  Send(Datagram());
  AnswerOne(entered);
  for (int i = 0; i < 3; ++i) Send(Datagram());
  if (!ipv6()) AnswerIpv4();
  EXPECT_EQ(Asked().size(), ipv6() ? 0u : 1u) << "the other way is known with the next verdict";
  if (!ipv6()) {
    Answer(asked_[0], entered);
    AnswerIpv4();
    EXPECT_THAT(Asked(), IsEmpty());
    EXPECT_EQ(Answered(), 2);
  }
  EXPECT_EQ(Received(), 4);
  Send(ByGuests());
  AnswerOne(DropMark(kMask, Notice::kNone));
  EXPECT_EQ(Counters().accepted_connection, ipv6() ? 3u : 4u);
  EXPECT_EQ(Counters().kept, ipv6() ? 1u : 2u);
  for (const RememberedEntry& entry : Remembered()) {
    EXPECT_TRUE(entry.accept);
    EXPECT_EQ(entry.scope, RememberedScope::kConnection);
    EXPECT_GT(entry.expires_in_ms, 50'000u);
  }
}

TEST_P(TableReachTest, RefusedOnesAreToo) {
  Install({});
  for (const RememberedScope scope :
       {RememberedScope::kPeer, RememberedScope::kSource, RememberedScope::kConnection}) {
    const uint32_t slot = kFirstDropSlot + static_cast<uint32_t>(scope);
    const auto flow = static_cast<uint8_t>(slot);
    AddSlot({.scope = scope, .lifetime_s = 60}, slot);
    Send(Datagram(flow));
    AnswerOne(DropMark(kMask, slot));
    Send(Datagram(flow));
    EXPECT_THAT(Asked(), IsEmpty());
    Send(ByGuests(flow));
    AnswerOne(AcceptMark(kMask, 0));
    EXPECT_EQ(Received(), 1);
  }
}

TEST_P(TableReachTest, ZonesAreToldApart) {
  Shell(
      "nft add table inet theirs && "
      "nft add chain inet theirs in '{ type filter hook prerouting priority raw; }' && "
      "nft add rule inet theirs in meta mark 7 ct zone set 7");
  Install({});
  AddSlot({.accept = true, .scope = RememberedScope::kPeer, .lifetime_s = 60}, 3);
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  AddSlot({.scope = RememberedScope::kConnection, .lifetime_s = 60}, kFirstDropSlot + 1);
  const auto put_into_zone = [](bool in) {
    Shell(std::string("nft flush chain inet theirs in") +
          (in ? " && nft add rule inet theirs in ct zone set 7" : ""));
  };
  const std::vector<uint32_t> marks = {AcceptMark(kMask, 3), DropMark(kMask, kFirstDropSlot),
                                       DropMark(kMask, kFirstDropSlot + 1)};
  const auto flows = static_cast<uint8_t>(marks.size());
  for (uint8_t flow = 1; flow <= flows; ++flow) {
    put_into_zone(true);
    Send(Datagram(flow));
    AnswerOne(marks[flow - 1]);
    for (int i = 0; i < 3; ++i) Send(Datagram(flow));
    EXPECT_THAT(Asked(), IsEmpty());
    put_into_zone(false);
    Send(Datagram(flow));
    AnswerOne(DropMark(kMask, Notice::kNone));
  }
  Received();
  const auto entries = Remembered();
  EXPECT_EQ(entries.size(), marks.size());
  for (const RememberedEntry& entry : entries) EXPECT_EQ(entry.zone, 7);
}

TEST_P(TableReachTest, UntrackedPeersAreRememberedToo) {
  Shell(
      "nft add table inet theirs && "
      "nft add chain inet theirs in '{ type filter hook prerouting priority raw; }' && "
      "nft add rule inet theirs in notrack");
  Install({});
  AddSlot({.accept = true, .scope = RememberedScope::kPeer, .lifetime_s = 60}, 3);
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  Send(Datagram(1));
  AnswerOne(AcceptMark(kMask, 3));
  Send(Datagram(2));
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  for (int i = 0; i < 3; ++i) Send(Datagram(1)), Send(Datagram(2));
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 4);
  EXPECT_EQ(Counters().dropped_address, 3u);
}

// Where TCP has its destination port, ESP has half of its SPI.
TEST_P(TableReachTest, ProtocolsWithoutPortsHaveOneEntryAPeer) {
  constexpr uint8_t kEsp = 50;
  Install({});
  AddSlot({.accept = true, .scope = RememberedScope::kPeer, .lifetime_s = 60}, 3);
  Sent esp = {.ipv6 = ipv6(), .protocol = kEsp};
  Send(esp);
  AnswerOne(AcceptMark(kMask, 3));
  for (uint8_t i = 1; i < 20; ++i) {
    esp.transport = {i, i, i, i, 0, 0, 0, 1};
    Send(esp);
  }
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(kEsp), 20);
  const auto entries = Remembered();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].protocol, kEsp);
  EXPECT_EQ(entries[0].destination_port, 0);
}

TEST_P(TableReachTest, AnAcceptedEchoLetsNoOtherTypePass) {
  Install({});
  AddSlot({.accept = true, .scope = RememberedScope::kPeer, .lifetime_s = 60}, 3);
  Send(Icmp(echo()));
  AnswerOne(AcceptMark(kMask, 3));
  Send(Icmp(echo()));
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(icmp()), 2);
  for (const Sent& other : {Icmp(ipv6() ? 139 : 13), Icmp(ipv6() ? 129 : 0), Icmp(echo(), 1)}) {
    Send(other);
    AnswerOne(DropMark(kMask, Notice::kNone));
  }
  const auto entries = Remembered();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].destination_port, echo() << 8);
}

TEST_P(TableReachTest, FloodsEndWhereTheyComeInOnlyByTheirInterface) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstDropSlot);
  Send(Datagram());
  AnswerOne(DropMark(kMask, kFirstDropSlot));
  do {
    for (int i = 0; i < 3; ++i) Send(Datagram());
  } while (Early() == 0);
  Send(ByGuests());
  AnswerOne(AcceptMark(kMask, 0));
  EXPECT_EQ(Received(), 1);
}

TEST_F(TableRememberedTest, AnErrorIsNotTheConnectionItIsAbout) {
  Install({});
  AddSlot({.scope = RememberedScope::kConnection, .lifetime_s = 60}, kFirstDropSlot);
  for (const uint32_t mark : {kForConnection, DropMark(kMask, kFirstDropSlot)}) {
    SendIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
    EXPECT_EQ(Received(), 1);
    ErrorAboutIpv4(1);
    AnswerOne(mark);
    EXPECT_EQ(Errors(), mark == kForConnection ? 1 : 0);
    ErrorAboutIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
    EXPECT_EQ(Errors(), 1);
    SendIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
    EXPECT_EQ(Received(), 1);
  }
  EXPECT_EQ(Counters().entered, 0u);
  EXPECT_THAT(Remembered(), IsEmpty());
}

}  // namespace
}  // namespace sluice::agent
