#include "agent/packets/remembered_slots.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace sluice::agent {
namespace {

constexpr RememberedKind kSource{
    .accept = true, .scope = RememberedScope::kSource, .lifetime_s = 60};
constexpr RememberedKind kRefused{
    .notice = Notice::kTcpReset, .scope = RememberedScope::kPeer, .lifetime_s = 5};

class FakeMemory final : public VerdictMemory {
 public:
  void WantSlot(uint64_t generation, const RememberedKind& kind) override {
    wanted.emplace_back(generation, kind);
  }
  void PolicyIs(const std::string& token, const std::string&) override {
    policies.push_back(token);
  }

  std::vector<std::pair<uint64_t, RememberedKind>> wanted;
  std::vector<std::string> policies;
};

std::pair<std::optional<RememberedKind>, std::string> Kind(const std::string& text) {
  v1::Verdict verdict;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &verdict)) << text;
  const auto kind = KindOf(verdict);
  return {kind.value_or(std::nullopt), std::string(kind.status().message())};
}

TEST(KindOfTest, SaysWhatIsToBeRemembered) {
  const std::pair<const char*, RememberedKind> rows[] = {
      {"action: ACTION_ACCEPT scope: SCOPE_CONNECTION",
       {.accept = true, .scope = RememberedScope::kConnection}},
      {"action: ACTION_ACCEPT scope: SCOPE_CONNECTION lifetime { seconds: 9 }",
       {.accept = true, .scope = RememberedScope::kConnection}},
      {"action: ACTION_ACCEPT scope: SCOPE_SOURCE notify: NOTIFY_TCP_RESET", kSource},
      {"action: ACTION_DROP scope: SCOPE_PEER notify: NOTIFY_TCP_RESET lifetime { seconds: 5 }",
       kRefused},
      {"scope: SCOPE_PEER notify: NOTIFY_TCP_RESET lifetime { seconds: 5 nanos: 999999999 }",
       kRefused},
      {"action: ACTION_DROP scope: SCOPE_CONNECTION lifetime { seconds: 86400 }",
       {.scope = RememberedScope::kConnection, .lifetime_s = 86400}},
      // A payload or a mark does not matter when the packet is dropped.
      {"action: ACTION_DROP scope: SCOPE_SOURCE lifetime { seconds: 1 } mark_mask: 1 payload: 'x'",
       {.scope = RememberedScope::kSource, .lifetime_s = 1}},
  };
  for (const auto& [text, kind] : rows) {
    EXPECT_TRUE(Kind(text).first == kind) << text;
    EXPECT_EQ(Kind(text).second, "");
  }
}

TEST(KindOfTest, OtherVerdictsAreOfOnePacketOnly) {
  for (const char* text : {
           "",
           "action: ACTION_ACCEPT",
           "action: ACTION_ACCEPT scope: SCOPE_PACKET lifetime { seconds: -1 }",
           "action: ACTION_REPEAT scope: SCOPE_PACKET",
           "action: ACTION_ACCEPT scope: SCOPE_CONNECTION mark: 1 mark_mask: 1",
           "action: ACTION_ACCEPT scope: SCOPE_CONNECTION payload: 'x'",
       }) {
    EXPECT_FALSE(Kind(text).first) << text;
    EXPECT_EQ(Kind(text).second, "") << text;
  }
  v1::Verdict unheard_of;
  unheard_of.set_scope(static_cast<v1::Scope>(77));
  const auto kind = KindOf(unheard_of);
  ASSERT_TRUE(kind.ok()) << kind.status();
  EXPECT_FALSE(*kind);
}

TEST(KindOfTest, SomeMakeNoSense) {
  for (const char* text : {
           "action: ACTION_REPEAT scope: SCOPE_CONNECTION",
           "action: ACTION_REQUEUE scope: SCOPE_SOURCE",
           "action: ACTION_HOLD scope: SCOPE_PEER",
           "action: ACTION_DROP scope: SCOPE_SOURCE lifetime {}",
           "action: ACTION_DROP scope: SCOPE_SOURCE lifetime { nanos: 999999999 }",
           "action: ACTION_DROP scope: SCOPE_SOURCE lifetime { seconds: -5 }",
           "action: ACTION_ACCEPT scope: SCOPE_CONNECTION lifetime { seconds: 86401 }",
       }) {
    EXPECT_FALSE(Kind(text).first) << text;
    EXPECT_NE(Kind(text).second, "") << text;
  }
}

TEST(RememberedSlotsTest, AsksOnceForASlot) {
  FakeMemory memory;
  RememberedSlots slots(&memory);
  slots.SetPolicy("7", "");
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u) << "nobody has said what can be remembered";
  EXPECT_TRUE(memory.wanted.empty());
  EXPECT_EQ(memory.policies, std::vector<std::string>{"7"});
  slots.Start({.generation = 3, .policy_token = "7", .slots = {}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u);
  ASSERT_EQ(memory.wanted.size(), 1u);
  EXPECT_EQ(memory.wanted[0].first, 3u);
  EXPECT_TRUE(memory.wanted[0].second == kSource);
  EXPECT_EQ(slots.SlotFor(kRefused, slots.view()), 0u);
  slots.Start({.generation = 3, .policy_token = "7", .slots = {{kSource, 9}}});
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 9u);
  EXPECT_EQ(slots.SlotFor(kRefused, slots.view()), 0u);
  EXPECT_EQ(memory.wanted.size(), 2u) << "it is still being allotted";
  EXPECT_EQ(slots.unslotted(), 0u);
}

TEST(RememberedSlotsTest, CountsKindsThereIsNoSlotFor) {
  FakeMemory memory;
  RememberedSlots slots(&memory);
  slots.SetPolicy("", "");
  slots.Start({.generation = 1, .policy_token = "", .slots = {{kSource, 0}}});
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u);
  EXPECT_EQ(slots.unslotted(), 1u);
  EXPECT_TRUE(memory.wanted.empty());
  for (uint32_t lifetime = 1; lifetime <= 1000; ++lifetime) {
    slots.SlotFor({.scope = RememberedScope::kPeer, .lifetime_s = lifetime}, slots.view());
  }
  EXPECT_LT(memory.wanted.size(), 200u) << "a decider cannot fill the agent's memory";
  EXPECT_EQ(memory.wanted.size() + slots.unslotted(), 1001u);
}

TEST(RememberedSlotsTest, NothingOfAnotherPolicyIsRemembered) {
  FakeMemory memory;
  RememberedSlots slots(&memory);
  const Rememberable of_1{.generation = 1, .policy_token = "1", .slots = {{kSource, 9}}};
  const Rememberable of_2{.generation = 2, .policy_token = "2", .slots = {{kSource, 8}}};
  slots.SetPolicy("1", "");
  slots.Start(of_1);
  const uint32_t before = slots.view();
  slots.SetPolicy("1", "");
  EXPECT_EQ(slots.SlotFor(kSource, before), 9u) << "the same still";
  slots.SetPolicy("2", "");
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u) << "not forgotten yet";
  slots.Start(of_1);
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u) << "an answer from before";
  slots.Stop();
  slots.Start(of_2);
  EXPECT_EQ(slots.SlotFor(kSource, before), 0u) << "presented under the policy before";
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 8u);
  EXPECT_EQ(memory.policies, (std::vector<std::string>{"1", "2"}));
}

TEST(RememberedSlotsTest, WhatWasUnderWayWhenAllWasForgottenIsNotRemembered) {
  FakeMemory memory;
  RememberedSlots slots(&memory);
  slots.SetPolicy("1", "");
  slots.Start({.generation = 1, .policy_token = "1", .slots = {{kSource, 9}}});
  const uint32_t before = slots.view();
  slots.Stop();
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u);
  slots.Start({.generation = 2, .policy_token = "1", .slots = {{kSource, 9}}});
  EXPECT_EQ(slots.SlotFor(kSource, before), 0u);
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 9u);
}

TEST(RememberedSlotsTest, WithoutAMemoryNothingIsRemembered) {
  RememberedSlots slots(nullptr);
  slots.SetPolicy("1", "");
  slots.Start({.generation = 1, .policy_token = "1", .slots = {{kSource, 9}}});
  EXPECT_EQ(slots.SlotFor(kSource, slots.view()), 0u);
}

// A connection's slot is that of its two devices; connections between others have other slots.
TEST(RememberedSlotsTest, ConnectionsAreThoseOfTheirDevices) {
  const auto between = [](uint32_t one, uint32_t other) {
    return RememberedKind{.accept = true,
                          .scope = RememberedScope::kConnection,
                          .devices = DevicePair::Of(one, other)};
  };
  EXPECT_EQ(between(2, 3), between(3, 2));
  FakeMemory memory;
  RememberedSlots slots(&memory);
  slots.SetPolicy("1", "");
  slots.Start(
      {.generation = 1, .policy_token = "1", .slots = {{between(2, 3), kConnectionSlot, 0x80}}});
  EXPECT_EQ(slots.SlotFor(between(3, 2), slots.view()), kConnectionSlot);
  EXPECT_EQ(slots.SlotFor(between(2, 4), slots.view()), 0u);
  ASSERT_EQ(memory.wanted.size(), 1u);
  EXPECT_EQ(memory.wanted[0].second, between(2, 4));
  // Once no mark is left, no slot is asked for.
  slots.Start({.generation = 1,
               .policy_token = "1",
               .slots = {{between(2, 3), kConnectionSlot, 0x80},
                         {between(2, 4), kEnteredConnectionSlot, 0}}});
  EXPECT_EQ(slots.SlotFor(between(2, 3), slots.view()), kConnectionSlot);
  EXPECT_EQ(slots.SlotFor(between(2, 4), slots.view()), kEnteredConnectionSlot);
  EXPECT_EQ(slots.SlotFor(between(5, 6), slots.view()), kEnteredConnectionSlot);
  EXPECT_EQ(memory.wanted.size(), 1u);
}

}  // namespace
}  // namespace sluice::agent
