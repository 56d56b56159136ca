// What the table remembers, and does to the packets after, on a real kernel. The test is the
// agent: it answers what is queued with the marks an agent would give.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/queue_socket.h"
#include "agent/netfilter/table.h"
#include "agent/netfilter/table_testbed.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint32_t kMask = 0xff000000;
constexpr uint32_t kFirst = GenerationMark(kMask, 1);
constexpr uint32_t kSecond = GenerationMark(kMask, 2);
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
    ASSERT_EQ(table_->Install(mode, kFirst), absl::OkStatus());
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
  // Exactly one packet has been asked about; answers it.
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
    const std::string rules = Shell("nft list chain inet sluice floods");
    uint64_t packets = 0;
    const std::string counter = "counter packets ";
    for (size_t at = 0; (at = rules.find(counter, at)) != std::string::npos;) {
      packets += std::stoull(rules.substr(at += counter.size()));
    }
    return packets;
  }
  std::vector<RememberedEntry> Remembered(size_t limit = 0) {
    auto entries = table_->ReadRemembered(limit);
    EXPECT_TRUE(entries.ok()) << entries.status();
    return entries.value_or(std::vector<RememberedEntry>());
  }

  std::unique_ptr<QueueSocket> queue_;
  std::unique_ptr<Table> table_;
  std::vector<uint32_t> asked_;
  uint32_t mark_ = 0;  // Of the latest.
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
  ASSERT_EQ(table_->Forget(kSecond), absl::OkStatus());
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(kForConnection);
  SendIpv4(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 3);
  EXPECT_EQ(Counters().accepted_connection, 1u);
  ASSERT_EQ(table_->Install(TableMode::kOn, kFirst), absl::OkStatus());
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  const TableCounters counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 1u);
  EXPECT_EQ(counters.entered, 2u);
  EXPECT_EQ(counters.asked, 3u);
}

// The first trap: decided before, answered after.
TEST_F(TableRememberedTest, WhatASlotThatIsGoneSaysIsNotRemembered) {
  Install({});
  AddSlot({.accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60}, 2);
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(1);
  SendIpv4(2);
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 2u);
  ASSERT_EQ(table_->Forget(kSecond), absl::OkStatus());
  Answer(asked[0], AcceptMark(kMask, 2));
  Answer(asked[1], RefuseMark(kMask, kFirstRefuseSlot));
  EXPECT_EQ(Received(), 1) << "the verdict itself still counts";
  SendIpv4(1);
  SendIpv4(2);
  EXPECT_EQ(Asked().size(), 2u);
  EXPECT_EQ(Counters().entered, 0u);
}

// The second trap: others restore connection marks into packet marks, ours among them, or save
// ours in connections.
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
    ASSERT_EQ(table_->Forget(kSecond), absl::OkStatus());
    SendIpv4(1);
    AnswerOne(mark);
    ASSERT_EQ(table_->Forget(kFirst), absl::OkStatus());
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
  ASSERT_EQ(table_->Forget(GenerationMark(kMask, 56)), absl::OkStatus());
  SendIpv4(1);
  AnswerOne(kForConnection);
  ASSERT_EQ(table_->Forget(kFirst), absl::OkStatus());
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Repeats(kMask, mark_), 0u);
}

TEST_F(TableRememberedTest, RefusedSourcesAreDroppedUnasked) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
  SendIpv6(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
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
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
  for (int i = 0; i < 3; ++i) SendIpv4(1);
  EXPECT_EQ(Counters().dropped_address, 3u);
  EXPECT_EQ(Received(), 0);
  EXPECT_THAT(Shell("nft list table inet sluice"), Not(HasSubstr("prerouting")));
}

TEST_F(TableRememberedTest, FloodsOfRefusedSourcesEndWhereTheyComeIn) {
  Install({});
  EXPECT_THAT(Shell("nft list table inet sluice 2>/dev/null"), Not(HasSubstr("prerouting")));
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(2);  // Others' packets still pass there.
  AnswerOne(AcceptMark(kMask, 0));
  for (const bool ipv6 : {false, true}) {
    ipv6 ? SendIpv6(1) : SendIpv4(1);
    AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
    for (int i = 0; i < 5; ++i) ipv6 ? SendIpv6(1) : SendIpv4(1);
  }
  EXPECT_GT(Early(), 0u) << "all but the first of each, if they follow within a second";
  EXPECT_EQ(Counters().dropped_address, 10u);
  EXPECT_EQ(Received(), 1);
  ExpectIntact();
  ASSERT_EQ(table_->Forget(kSecond), absl::OkStatus());
  ExpectIntact();
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u) << "what was learned says nothing of who is refused";
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  ExpectIntact();
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
  SendIpv4(1);
  EXPECT_EQ(Counters().dropped_address, 11u);
  ASSERT_EQ(table_->Install(TableMode::kShadow), absl::OkStatus());
  ExpectIntact();
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Counters().dropped_address, 11u);
}

TEST_F(TableRememberedTest, TheNextAgentTakesOverEarlyChains) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(2);
  ASSERT_EQ(Asked().size(), 1u);
  const uint32_t waiting = asked_[0];
  Install({});
  ExpectIntact();
  Answer(waiting, AcceptMark(kMask, 0));
  EXPECT_EQ(Received(), 1) << "what is queued stays";
  Shell("nft flush chain inet sluice early && nft delete chain inet sluice early");
  ASSERT_EQ(table_->Install(TableMode::kOn, kFirst), absl::OkStatus());
  ExpectIntact();
}

TEST_F(TableRememberedTest, NothingIsLearnedOfWhatIsTranslatedOrTold) {
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type nat hook prerouting priority -100; }' && "
      "nft add rule ip theirs in ip saddr 198.51.100.1 dnat to 203.0.113.7");
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  AddSlot({.notification = Notification::kHostUnreachable,
           .scope = RememberedScope::kSource,
           .lifetime_s = 60},
          kFirstRefuseSlot + 1);
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
  SendIpv4(2);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot + 1));
  for (int i = 0; i < 3; ++i) SendIpv4(1), SendIpv4(2);
  EXPECT_EQ(Early(), 0u);
  EXPECT_EQ(Counters().dropped_address, 6u);
}

TEST_F(TableRememberedTest, ARefusedSourceHasNoConnectionsThatGoOn) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(1);
  SendIpv4(1);
  const auto asked = Asked();
  ASSERT_EQ(asked.size(), 2u);
  Answer(asked[0], kForConnection);
  Answer(asked[1], RefuseMark(kMask, kFirstRefuseSlot));
  EXPECT_EQ(Received(), 1);
  SendIpv4(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_EQ(Received(), 0);
}

// Refusals are looked up before anything that is accepted only once there are any.
TEST_F(TableRememberedTest, CountersGoOnWhenTheFirstRefusalComes) {
  const IpNetwork answering = {.address = {203, 0, 113, 0}, .prefix_length = 24};
  Install({.exempt = {{.source = answering}}});
  SendIpv6(1);
  AnswerOne(kForConnection);
  SendIpv6(1);
  AnswerIpv4(1);
  AddSlot({.scope = RememberedScope::kPeer, .lifetime_s = 60}, kFirstRefuseSlot);
  ExpectIntact();
  SendIpv6(1);
  AnswerIpv4(1);
  AddSlot({.scope = RememberedScope::kPeer, .lifetime_s = 61}, kFirstRefuseSlot + 1);
  ExpectIntact();
  EXPECT_THAT(Asked(), IsEmpty());
  TableCounters counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 2u);
  EXPECT_EQ(counters.exempted, 2u);
  ASSERT_EQ(table_->Forget(kSecond), absl::OkStatus());
  ExpectIntact();
  SendIpv6(1);
  AnswerOne(kForConnection);
  SendIpv6(1);
  counters = Counters();
  EXPECT_EQ(counters.accepted_connection, 3u);
  EXPECT_EQ(counters.asked, 2u);
}

TEST_F(TableRememberedTest, WhatIsExemptComesBeforeRefusals) {
  const IpNetwork destination = {.address = {203, 0, 113, 1}, .prefix_length = 32};
  Install({.exempt = {{.destination = destination}}});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  Shell(
      "nft add element inet sluice sources4 '{ 198.51.100.1 timeout 60s : 0x80000000 }' && "
      "nft add element inet sluice sources6 '{ 2001:db8:1::1 timeout 60s : 0x80000000 }'");
  SendIpv4(1);
  EXPECT_EQ(Received(), 1);
  EXPECT_EQ(Counters().exempted, 1u);
  EXPECT_EQ(Counters().dropped_address, 0u);
}

// Answers that are exempt for the port they come from, though packets to the same port were
// refused.
TEST_F(TableRememberedTest, ExemptAnswersAreNotDroppedEarly) {
  Install({.exempt = {{.protocol = 17, .port = 12345}}});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  Shell(
      "nft add element inet sluice sources4 '{ 198.51.100.1 timeout 60s : 0x80000000 }' && "
      "nft add element inet sluice floods4 "
      "'{ \"inside\" . 198.51.100.1 . 203.0.113.1 . udp . 53 timeout 60s : 0x80000000 }'");
  SendIpv4(1);
  EXPECT_EQ(Received(), 1);
  EXPECT_EQ(Early(), 0u);
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
  AddSlot({.accept = true, .scope = RememberedScope::kPeer, .lifetime_s = 60}, 2);
  AddSlot({.accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60}, 3);
  SendIpv4(1);
  AnswerOne(AcceptMark(kMask, 2));
  SendIpv6(1);
  AnswerOne(AcceptMark(kMask, 3));
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
  AddSlot({.scope = RememberedScope::kConnection, .lifetime_s = 60}, kFirstRefuseSlot);
  // A connection that was let through before, as its first packet makes it one.
  for (const bool ipv6 : {false, true}) {
    ipv6 ? SendIpv6(1) : SendIpv4(1);
    AnswerOne(AcceptMark(kMask, 0));
    ipv6 ? SendIpv6(1) : SendIpv4(1);
    AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
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
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].scope, RememberedScope::kConnection);
  EXPECT_EQ(entries[0].source_port, 12345);
  EXPECT_EQ(entries[0].destination_port, kPort);
}

TEST_F(TableRememberedTest, TellsSendersAgain) {
  Install({});
  const std::map<Notification, int> slots = {{Notification::kHostUnreachable, 10},
                                             {Notification::kAdminProhibited, 20},
                                             {Notification::kPortUnreachable, 30},
                                             {Notification::kTcpReset, 40}};
  uint8_t flow = 1;
  for (const auto& [notification, number] : slots) {
    for (const RememberedScope scope :
         {RememberedScope::kConnection, RememberedScope::kPeer, RememberedScope::kSource}) {
      const auto slot = static_cast<uint32_t>(number) + static_cast<uint32_t>(scope);
      AddSlot({.notification = notification, .scope = scope, .lifetime_s = 60}, slot);
      SendIpv4(++flow);
      AnswerOne(RefuseMark(kMask, slot));
      EXPECT_EQ(Errors(), 1) << "by verdict";
      SendIpv4(flow);
      SendIpv4(flow);
      EXPECT_THAT(Asked(), IsEmpty());
      EXPECT_EQ(Errors(), 2) << "by what is remembered";
    }
  }
  for (const RememberedEntry& entry : Remembered()) {
    EXPECT_NE(entry.notification, Notification::kNone);
  }
  ExpectIntact();
}

TEST_F(TableRememberedTest, FullSetsLetNothingPass) {
  Install({.remembered_limit = 16});
  AddSlot({.accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60}, 2);
  for (uint8_t flow = 1; flow <= 20; ++flow) {
    SendIpv4(flow);
    AnswerOne(AcceptMark(kMask, 2));
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
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 1}, kFirstRefuseSlot);
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
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
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
  Shell("nft flush ruleset");
  EXPECT_THAT(Remembered(), IsEmpty());
  EXPECT_EQ(table_->CountRemembered().value_or(1), 0u);
  ASSERT_EQ(table_->Install(TableMode::kOn, kSecond), absl::OkStatus());
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
}

TEST_F(TableRememberedTest, TheNextAgentsTableIsEmpty) {
  Install({});
  AddSlot({.scope = RememberedScope::kSource, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
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

TEST_F(TableRememberedTest, UntrackedConnectionsAreNotRemembered) {
  Shell(
      "nft add table ip theirs && "
      "nft add chain ip theirs in '{ type filter hook prerouting priority -300; }' && "
      "nft add rule ip theirs in notrack");
  Install({});
  SendIpv4(1);
  AnswerOne(kForConnection);
  SendIpv4(1);
  EXPECT_EQ(Asked().size(), 1u);
  EXPECT_EQ(Received(), 1);
  EXPECT_EQ(Counters().entered, 1u);
  EXPECT_EQ(Counters().kept, 0u);
}

TEST_F(TableRememberedTest, OperatorsCanReadIt) {
  Install({});
  AddSlot({.scope = RememberedScope::kPeer, .lifetime_s = 60}, kFirstRefuseSlot);
  SendIpv4(1);
  AnswerOne(RefuseMark(kMask, kFirstRefuseSlot));
  const std::string listing = Shell("nft list table inet sluice 2>/dev/null");
  EXPECT_THAT(listing, HasSubstr("198.51.100.1 . 203.0.113.1 . udp . 53"));
  EXPECT_THAT(listing, HasSubstr("type ipv4_addr . ipv4_addr . inet_proto . inet_service : mark"));
}

}  // namespace
}  // namespace sluice::agent
