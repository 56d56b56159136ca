// The owner with a table and queues that write down what they are told, in one log.

#include "agent/remembered/remembered_verdicts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {
namespace {

// Longer than anything takes on a busy machine; only a failing test waits as long.
constexpr std::chrono::seconds kPatience{20};

using Lines = std::vector<std::string>;

// What happened, in order. Any thread.
class Log {
 public:
  void Add(const std::string& line) {
    {
      MutexLock lock(mutex_);
      lines_.push_back(line);
    }
    added_.notify_all();
  }
  // Waits until there are so many lines of that text.
  bool WaitFor(const std::string& text, std::ptrdiff_t times = 1,
               std::chrono::milliseconds patience = kPatience) {
    MutexLock lock(mutex_);
    return lock.WaitFor(added_, patience, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return std::count(lines_.begin(), lines_.end(), text) >= times;
    });
  }
  // What was added since the last call.
  Lines Take() {
    MutexLock lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  Mutex mutex_;
  std::condition_variable added_;
  Lines lines_ ABSL_GUARDED_BY(mutex_);
};

// Logs each change, with " refused" if it was.
class FakeTable final : public RememberingTable {
 public:
  explicit FakeTable(Log* log) : log_(log) {}

  // The next so many changes that begin so are refused, and the table loses its slots then: what a
  // refused change leaves is not known.
  void Refuse(const std::string& change, int times = 1) {
    MutexLock lock(mutex_);
    refusals_[change] = times;
  }
  std::vector<RememberedSlot> slots() {
    MutexLock lock(mutex_);
    return slots_;
  }

  absl::Status Install(TableState state) override {
    return Empty("install", state.mode == TableMode::kOn ? " on" : " shadow");
  }
  absl::Status Forget() override { return Empty("forget"); }
  absl::Status AddSlot(const RememberedSlot& slot) override {
    MutexLock lock(mutex_);
    const std::string number = absl::StrCat(" ", slot.number);
    for (const RememberedSlot& other : slots_) {
      EXPECT_FALSE(other.number == slot.number && other.kind.accept == slot.kind.accept &&
                   other.connection_mark == slot.connection_mark)
          << "slot" << number << " is taken";
    }
    // Though the kernel say no, it may have added it.
    slots_.push_back(slot);
    return Done("add", number);
  }
  // These are not carried out at all if they are refused.
  absl::Status StopAsking() override { return End("stop asking"); }
  absl::Status Remove() override { return End("remove"); }

  absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t limit) override {
    MutexLock lock(mutex_);
    return std::vector<RememberedEntry>(limit == 0 ? kEntries : std::min(limit, kEntries));
  }
  absl::StatusOr<size_t> CountRemembered() override { return kEntries; }

  static constexpr size_t kEntries = 7;

 private:
  absl::Status Empty(const std::string& change, absl::string_view details = "") {
    MutexLock lock(mutex_);
    slots_.clear();
    return Done(change, details);
  }
  absl::Status End(const std::string& change) {
    MutexLock lock(mutex_);
    absl::Status status = Done(change);
    if (status.ok()) slots_.clear();
    return status;
  }
  absl::Status Done(const std::string& change, absl::string_view details = "")
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool refused = refusals_[change] > 0 && refusals_[change]-- > 0;
    log_->Add(absl::StrCat(change, details, refused ? " refused" : ""));
    return refused ? absl::UnavailableError("refused") : absl::OkStatus();
  }

  Log* const log_;  // Not owned.
  Mutex mutex_;
  std::map<std::string, int> refusals_ ABSL_GUARDED_BY(mutex_);
  std::vector<RememberedSlot> slots_ ABSL_GUARDED_BY(mutex_);
};

class FakeQueue final : public RememberingQueue {
 public:
  FakeQueue(std::string name, FakeTable* table, Log* log)
      : name_(std::move(name)), table_(table), log_(log) {}

  void StopRemembering() override { log_->Add(name_ + " stops"); }
  void StartRemembering(const Rememberable& rememberable) override {
    std::string slots;
    const std::vector<RememberedSlot> there = table_->slots();
    for (const RememberedSlot& slot : rememberable.slots) {
      EXPECT_TRUE(slot.number == 0 ||
                  std::any_of(there.begin(), there.end(),
                              [&](const RememberedSlot& other) {
                                return other.number == slot.number && other.kind == slot.kind &&
                                       other.connection_mark == slot.connection_mark;
                              }))
          << name_ << " is told of slot " << slot.number << ", which the table does not have";
      absl::StrAppend(&slots, " ", slot.number);
    }
    log_->Add(absl::StrCat(name_, " starts ", rememberable.generation, " of ",
                           rememberable.policy_token, slots.empty() ? "" : ":", slots));
  }
  uint64_t unslotted() override { return unslotted_; }

  void SetUnslotted(uint64_t unslotted) { unslotted_ = unslotted; }

 private:
  const std::string name_;
  FakeTable* const table_;  // Not owned.
  Log* const log_;          // Not owned.
  uint64_t unslotted_ = 0;
};

constexpr uint32_t kMask = 0xff00;

// Drops of sources; each lifetime is another kind.
RememberedKind DropSource(uint32_t lifetime_s) {
  return {.scope = RememberedScope::kSource, .lifetime_s = lifetime_s};
}
RememberedKind Connections(DevicePair devices) {
  return {.accept = true, .scope = RememberedScope::kConnection, .devices = devices};
}

class RememberedVerdictsTest : public testing::Test {
 protected:
  RememberedVerdictsTest() { Begin(kMask); }

  void Begin(uint32_t connection_mark_mask) {
    remembered_.emplace(
        &table_, connection_mark_mask,
        [](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> { return 0; });
    remembered_->Start({&a_, &b_});
  }
  // In mode on, both queues started, with an empty log.
  void TurnOn() {
    ASSERT_EQ(remembered_->Install(TableMode::kOn), absl::OkStatus());
    remembered_->PolicyIs("1", "");
    ASSERT_TRUE(log_.WaitFor("b starts 1 of 1"));
    log_.Take();
  }
  // What was logged before that line.
  Lines TakeUntil(const std::string& line) {
    Lines lines = log_.Take();
    lines.erase(std::find(lines.begin(), lines.end(), line), lines.end());
    return lines;
  }
  uint64_t forgotten() { return remembered_->Stats({}).forgotten(); }

  Log log_;
  FakeTable table_{&log_};
  FakeQueue a_{"a", &table_, &log_};
  FakeQueue b_{"b", &table_, &log_};
  std::optional<RememberedVerdicts> remembered_;
};

TEST_F(RememberedVerdictsTest, QueuesAreStoppedBeforeTheTableChangesAndStartedAfter) {
  const auto install = [this] { EXPECT_TRUE(remembered_->Install(TableMode::kOn).ok()); };
  install();
  EXPECT_EQ(log_.Take(), (Lines{"a stops", "b stops", "install on"})) << "no policy is known";
  remembered_->PolicyIs("1", "");
  ASSERT_TRUE(log_.WaitFor("b starts 1 of 1"));
  EXPECT_EQ(log_.Take(), (Lines{"a starts 1 of 1", "b starts 1 of 1"}));
  EXPECT_EQ(forgotten(), 0u);

  install();
  EXPECT_EQ(log_.Take(),
            (Lines{"a stops", "b stops", "install on", "a starts 2 of 1", "b starts 2 of 1"}));
  EXPECT_EQ(forgotten(), 1u);

  remembered_->PolicyIs("2", "");
  ASSERT_TRUE(log_.WaitFor("b starts 3 of 2"));
  EXPECT_EQ(log_.Take(),
            (Lines{"a stops", "b stops", "forget", "a starts 3 of 2", "b starts 3 of 2"}));
  EXPECT_EQ(forgotten(), 2u);

  const auto all = remembered_->ForgetAll();
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(*all, FakeTable::kEntries);
  EXPECT_EQ(log_.Take(),
            (Lines{"a stops", "b stops", "forget", "a starts 4 of 2", "b starts 4 of 2"}));
  EXPECT_EQ(forgotten(), 3u);

  EXPECT_TRUE(remembered_->StopAsking().ok());
  EXPECT_TRUE(remembered_->Remove().ok());
  EXPECT_EQ(log_.Take(),
            (Lines{"a stops", "b stops", "stop asking", "a stops", "b stops", "remove"}));
  EXPECT_EQ(forgotten(), 3u);
}

TEST_F(RememberedVerdictsTest, OnlyModeOnRemembers) {
  EXPECT_TRUE(remembered_->Install(TableMode::kShadow).ok());
  remembered_->WantSlot(1, DropSource(60));
  EXPECT_EQ(*remembered_->ForgetAll(), 0u);
  EXPECT_TRUE(remembered_->List(0)->empty());
  EXPECT_TRUE(remembered_->Install(TableMode::kOn).ok());
  remembered_->PolicyIs("1", "");
  remembered_->WantSlot(2, DropSource(61));
  ASSERT_TRUE(log_.WaitFor("b starts 2 of 1: 5"));
  EXPECT_EQ(log_.Take(), (Lines{"a stops", "b stops", "install shadow", "a stops", "b stops",
                                "install on", "a starts 2 of 1", "b starts 2 of 1", "add 5",
                                "a starts 2 of 1: 5", "b starts 2 of 1: 5"}));
}

TEST_F(RememberedVerdictsTest, ASlotIsInTheTableBeforeAQueueIsToldOfIt) {
  TurnOn();
  // Both queues want it.
  remembered_->WantSlot(1, DropSource(60));
  remembered_->WantSlot(1, DropSource(60));
  remembered_->WantSlot(1, DropSource(61));
  ASSERT_TRUE(log_.WaitFor("b starts 1 of 1: 5 6"));
  EXPECT_EQ(log_.Take(), (Lines{"add 5", "a starts 1 of 1: 5", "b starts 1 of 1: 5", "add 6",
                                "a starts 1 of 1: 5 6", "b starts 1 of 1: 5 6"}));
}

TEST_F(RememberedVerdictsTest, WhatAnOlderGenerationWantsIsNotDone) {
  TurnOn();
  ASSERT_TRUE(remembered_->ForgetAll().ok());
  log_.Take();
  remembered_->WantSlot(1, DropSource(60));
  remembered_->WantSlot(2, DropSource(61));
  ASSERT_TRUE(log_.WaitFor("b starts 2 of 1: 5"));
  EXPECT_EQ(log_.Take(), (Lines{"add 5", "a starts 2 of 1: 5", "b starts 2 of 1: 5"}));
  ASSERT_EQ(table_.slots().size(), 1u);
  EXPECT_EQ(table_.slots()[0].kind, DropSource(61));
}

TEST_F(RememberedVerdictsTest, ConnectionsHaveTheirMarksFromTheStartOfTheNextGeneration) {
  TurnOn();
  remembered_->WantSlot(1, Connections({1, 2}));
  remembered_->WantSlot(1, Connections({1, 3}));
  ASSERT_TRUE(log_.WaitFor("b starts 1 of 1: 1 1"));
  const std::vector<RememberedSlot> before = table_.slots();
  remembered_->PolicyIs("2", "");
  ASSERT_TRUE(log_.WaitFor("b starts 2 of 2: 1 1"));
  const std::vector<RememberedSlot> after = table_.slots();
  ASSERT_EQ(before.size(), 2u);
  ASSERT_EQ(after.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after[i].kind, before[i].kind);
    for (const RememberedSlot& slot : before) {
      EXPECT_NE(after[i].connection_mark, slot.connection_mark);
    }
  }
}

// Its rules may be there all the same: two kinds must not share a number.
TEST_F(RememberedVerdictsTest, TheNumberOfARefusedSlotIsNotGivenToAnotherKind) {
  TurnOn();
  table_.Refuse("add");
  remembered_->WantSlot(1, DropSource(60));
  remembered_->WantSlot(1, DropSource(61));
  ASSERT_TRUE(log_.WaitFor("b starts 1 of 1: 0 6"));
  EXPECT_EQ(log_.Take(), (Lines{"add 5 refused", "a starts 1 of 1: 0", "b starts 1 of 1: 0",
                                "add 6", "a starts 1 of 1: 0 6", "b starts 1 of 1: 0 6"}));
  remembered_->PolicyIs("2", "");
  ASSERT_TRUE(log_.WaitFor("b starts 2 of 2"));
  remembered_->WantSlot(2, DropSource(60));
  EXPECT_TRUE(log_.WaitFor("b starts 2 of 2: 5")) << "numbers begin again";
}

TEST_F(RememberedVerdictsTest, KindsBeyondTheLastSlotAreToldNumber0) {
  TurnOn();
  constexpr uint32_t kSlots = kDropCodes - kFirstDropSlot;
  std::string told;
  for (uint32_t i = 0; i < kSlots; ++i) absl::StrAppend(&told, " ", kFirstDropSlot + i);
  for (uint32_t i = 0; i < kSlots + 2; ++i) remembered_->WantSlot(1, DropSource(60 + i));
  ASSERT_TRUE(log_.WaitFor(absl::StrCat("b starts 1 of 1:", told, " 0 0")));
  EXPECT_EQ(table_.slots().size(), kSlots);
}

TEST_F(RememberedVerdictsTest, WithoutBitsConnectionsHaveNoSlot) {
  Begin(0);
  TurnOn();
  remembered_->WantSlot(1, Connections({1, 2}));
  ASSERT_TRUE(log_.WaitFor("b starts 1 of 1: 0"));
  EXPECT_EQ(log_.Take(), (Lines{"a starts 1 of 1: 0", "b starts 1 of 1: 0"}));
}

TEST_F(RememberedVerdictsTest, StatsAddWhatHadNoSlotToWhatHadNoRoom) {
  a_.SetUnslotted(3);
  b_.SetUnslotted(4);
  TurnOn();
  const v1::RememberedStats stats = remembered_->Stats({.accepted_connection = 1,
                                                        .accepted_address = 2,
                                                        .dropped_connection = 3,
                                                        .dropped_address = 4,
                                                        .entered = 100,
                                                        .kept = 80,
                                                        .wiped = 5});
  EXPECT_EQ(stats.accepted_connection(), 1u);
  EXPECT_EQ(stats.accepted_address(), 2u);
  EXPECT_EQ(stats.dropped_connection(), 3u);
  EXPECT_EQ(stats.dropped_address(), 4u);
  EXPECT_EQ(stats.saved(), 107u);
  EXPECT_EQ(stats.no_room(), 27u);
  EXPECT_EQ(stats.wiped(), 5u);
  EXPECT_EQ(stats.forgotten(), 0u);
  EXPECT_EQ(stats.entries(), FakeTable::kEntries);
}

TEST_F(RememberedVerdictsTest, ListsNoMoreThanTheLimit) {
  TurnOn();
  EXPECT_EQ(remembered_->List(0)->size(), FakeTable::kEntries);
  EXPECT_EQ(remembered_->List(2)->size(), 2u);
}

TEST_F(RememberedVerdictsTest, WhatATableRemembersThatCouldNotBeEndedIsForgottenYet) {
  TurnOn();
  int generation = 1;
  for (const std::string change : {"stop asking", "remove"}) {
    table_.Refuse(change);
    const absl::Status status =
        change == "remove" ? remembered_->Remove() : remembered_->StopAsking();
    EXPECT_EQ(status, absl::UnavailableError("refused"));
    const std::string same = absl::StrCat(" starts ", generation, " of ", generation);
    EXPECT_EQ(log_.Take(),
              (Lines{"a stops", "b stops", change + " refused", "a" + same, "b" + same}));
    ++generation;
    remembered_->PolicyIs(absl::StrCat(generation), "");
    const std::string next = absl::StrCat(" starts ", generation, " of ", generation);
    ASSERT_TRUE(log_.WaitFor("b" + next)) << change;
    EXPECT_EQ(log_.Take(), (Lines{"a stops", "b stops", "forget", "a" + next, "b" + next}));
  }
  EXPECT_EQ(forgotten(), 2u);
}

TEST_F(RememberedVerdictsTest, AfterARefusedInstallNothingIsRememberedUntilAllIsForgotten) {
  for (const std::string mode : {"on", "shadow"}) {
    Begin(kMask);
    TurnOn();
    remembered_->WantSlot(1, DropSource(60));
    ASSERT_TRUE(log_.WaitFor("b starts 1 of 1: 5"));
    log_.Take();
    table_.Refuse("install");
    const absl::Status status =
        remembered_->Install(mode == "on" ? TableMode::kOn : TableMode::kShadow);
    EXPECT_EQ(status, absl::UnavailableError("refused"));
    // The owner does these before it forgets, which is a second later.
    remembered_->WantSlot(1, DropSource(61));
    remembered_->PolicyIs("1", "");
    ASSERT_TRUE(log_.WaitFor("b starts 2 of 1"));
    EXPECT_EQ(TakeUntil("install on"),
              (Lines{"a stops", "b stops", "install " + mode + " refused", "a stops", "b stops"}));
    EXPECT_EQ(forgotten(), 1u);
  }
}

TEST_F(RememberedVerdictsTest, AfterARefusedForgettingTheSamePolicyStartsNothing) {
  TurnOn();
  table_.Refuse("forget");
  table_.Refuse("install");
  remembered_->PolicyIs("2", "");
  ASSERT_TRUE(log_.WaitFor("install on refused"));
  // The second queue's. The owner does it before it forgets, which is a second later.
  remembered_->PolicyIs("2", "");
  ASSERT_TRUE(log_.WaitFor("b starts 2 of 2"));
  EXPECT_EQ(TakeUntil("install on"), (Lines{"a stops", "b stops", "forget refused",
                                            "install on refused", "a stops", "b stops"}));
  EXPECT_EQ(forgotten(), 1u);
}

TEST_F(RememberedVerdictsTest, ATableThatCannotForgetIsInstalledAnew) {
  TurnOn();
  table_.Refuse("forget");
  EXPECT_TRUE(remembered_->ForgetAll().ok());
  EXPECT_EQ(log_.Take(), (Lines{"a stops", "b stops", "forget refused", "install on",
                                "a starts 2 of 1", "b starts 2 of 1"}));
  EXPECT_EQ(forgotten(), 1u);
}

TEST_F(RememberedVerdictsTest, WhatWasForgottenMeanwhileIsNotForgottenAgain) {
  TurnOn();
  table_.Refuse("forget");
  table_.Refuse("install");
  remembered_->PolicyIs("2", "");
  ASSERT_TRUE(log_.WaitFor("install on refused"));
  ASSERT_TRUE(remembered_->Install(TableMode::kOn).ok());
  log_.Take();
  const uint64_t before = forgotten();
  // The owner would have tried again a second after it was refused.
  EXPECT_FALSE(log_.WaitFor("forget", 1, std::chrono::milliseconds(1300)));
  EXPECT_EQ(log_.Take(), Lines());
  EXPECT_EQ(forgotten(), before);
}

TEST_F(RememberedVerdictsTest, ATableThatIsGoneIsNotForgotten) {
  TurnOn();
  table_.Refuse("install");
  EXPECT_FALSE(remembered_->Install(TableMode::kShadow).ok());
  EXPECT_TRUE(remembered_->StopAsking().ok());
  EXPECT_TRUE(remembered_->Remove().ok());
  log_.Take();
  EXPECT_EQ(*remembered_->ForgetAll(), 0u);
  EXPECT_EQ(log_.Take(), Lines());
  // And the next one is as good as any.
  EXPECT_TRUE(remembered_->Install(TableMode::kOn).ok());
  const Lines lines = log_.Take();
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[2], "install on");
  EXPECT_EQ(lines[4].substr(0, 8), "b starts");
}

TEST_F(RememberedVerdictsTest, WhatIsPostedAfterStopIsNotDone) {
  TurnOn();
  remembered_->Stop();
  remembered_->PolicyIs("2", "");
  remembered_->WantSlot(1, DropSource(60));
  remembered_->Stop();
  EXPECT_EQ(log_.Take(), Lines());
  // Main stops the queues after that, and takes the table out last.
  EXPECT_TRUE(remembered_->Remove().ok());
  EXPECT_EQ(log_.Take(), (Lines{"a stops", "b stops", "remove"}));
}

}  // namespace
}  // namespace sluice::agent
