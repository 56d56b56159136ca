// Queues, a thread each, and a table that refuses changes at random, against what must hold
// whatever comes first: see FakeTable::Enter.

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/remembered/remembered_verdicts.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {
namespace {

// Longer than anything takes on a busy machine; only a failing test waits as long.
constexpr std::chrono::seconds kPatience{10};

class FakeTable final : public RememberingTable {
 public:
  explicit FakeTable(uint32_t seed) : random_(seed) {}

  // A verdict that carries the slot `number` for its kind; `policy` is what the decider followed
  // when it was asked about the packet.
  void Enter(uint32_t number, const RememberedKind& kind, const std::string& policy) {
    MutexLock lock(mutex_);
    if (!there_) return;
    if (!on_) return Wrong("a verdict carries a slot though the table is not in mode on");
    if (std::none_of(slots_.begin(), slots_.end(), [&](const RememberedSlot& slot) {
          return slot.number == number && slot.kind == kind;
        })) {
      return Wrong(absl::StrCat("a verdict carries slot ", number, ", which is not its kind's"));
    }
    if (!entries_.empty() && entries_.back() != policy) {
      return Wrong(absl::StrCat("a verdict of policy ", policy, " beside those of policy ",
                                entries_.back()));
    }
    entries_.push_back(policy);
  }

  // Whether changes are refused now and then.
  void SetRefuses(bool refuses) {
    MutexLock lock(mutex_);
    refuses_ = refuses;
  }
  // The policy of each verdict that is remembered.
  std::vector<std::string> entries() {
    MutexLock lock(mutex_);
    return entries_;
  }
  // What did not hold first; "": all did.
  std::string wrong() {
    MutexLock lock(mutex_);
    return wrong_;
  }

  absl::Status Install(TableState state) override {
    MutexLock lock(mutex_);
    const auto install = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      there_ = true;
      on_ = state.mode == TableMode::kOn;
      Empty();
    };
    if (Refuses()) {
      Spoil(install);
      return absl::UnavailableError("refused");
    }
    install();
    return absl::OkStatus();
  }

  absl::Status Forget() override {
    MutexLock lock(mutex_);
    const auto forget = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { Empty(); };
    if (!there_) return absl::NotFoundError("no table");
    if (Refuses()) {
      Spoil(forget);
      return absl::UnavailableError("refused");
    }
    forget();
    return absl::OkStatus();
  }

  absl::Status AddSlot(const RememberedSlot& slot) override {
    MutexLock lock(mutex_);
    if (!there_) return absl::NotFoundError("no table");
    for (const RememberedSlot& other : slots_) {
      if (other.kind.accept == slot.kind.accept && other.number == slot.number &&
          other.connection_mark == slot.connection_mark) {
        Wrong(absl::StrCat("slot ", slot.number, " is given to a second kind"));
      }
    }
    const bool refused = Refuses();
    if (!refused || Below(2) == 0) slots_.push_back(slot);
    if (refused && Below(3) == 0) TakeAway();
    return refused ? absl::UnavailableError("refused") : absl::OkStatus();
  }

  absl::Status StopAsking() override {
    MutexLock lock(mutex_);
    if (!Refuses()) return absl::OkStatus();
    if (Below(3) == 0) TakeAway();
    return absl::UnavailableError("refused");
  }

  absl::Status Remove() override {
    MutexLock lock(mutex_);
    const bool refused = Refuses();
    if (!refused || Below(2) == 0) TakeAway();
    return refused ? absl::UnavailableError("refused") : absl::OkStatus();
  }

  absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t) override {
    return std::vector<RememberedEntry>();
  }
  absl::StatusOr<size_t> CountRemembered() override { return entries().size(); }

 private:
  bool Refuses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return refuses_ && Below(2) == 0; }
  // What a refused change leaves is not known.
  template <typename Change>
  void Spoil(Change change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    switch (Below(4)) {
      case 0:
        return change();
      case 1:
        return slots_.clear();
      case 2:
        return TakeAway();
      default:
        return;
    }
  }
  void Empty() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    slots_.clear();
    entries_.clear();
  }
  void TakeAway() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    there_ = false;
    Empty();
  }
  void Wrong(const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (wrong_.empty()) wrong_ = what;
  }
  uint32_t Below(uint32_t bound) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return static_cast<uint32_t>(random_()) % bound;
  }

  Mutex mutex_;
  std::mt19937 random_ ABSL_GUARDED_BY(mutex_);
  bool refuses_ ABSL_GUARDED_BY(mutex_) = false;
  bool there_ ABSL_GUARDED_BY(mutex_) = false;
  bool on_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<RememberedSlot> slots_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> entries_ ABSL_GUARDED_BY(mutex_);
  std::string wrong_ ABSL_GUARDED_BY(mutex_);
};

// Which of its verdicts carry a slot: by the rules of RememberedSlots, which is of a layer above.
class FakeQueue final : public RememberingQueue {
 public:
  // Neither is owned.
  FakeQueue(VerdictMemory* memory, FakeTable* table) : memory_(memory), table_(table) {}

  void StopRemembering() override {
    MutexLock lock(mutex_);
    Stop();
  }
  void StartRemembering(const Rememberable& rememberable) override {
    {
      MutexLock lock(mutex_);
      if (rememberable.generation != now_.generation) wanted_.clear();
      now_ = rememberable;
      active_ = policy_ == now_.policy_token;
    }
    started_.notify_all();
  }
  uint64_t unslotted() override { return 0; }

  // The decider follows that policy from here on.
  void Follow(const std::string& policy) {
    MutexLock lock(mutex_);
    if (policy_ == policy) return;
    Stop();
    policy_ = policy;
    memory_->PolicyIs(policy, "");
  }
  // Presents a packet to the decider.
  void Ask(const RememberedKind& kind) {
    MutexLock lock(mutex_);
    asked_.push_back({kind, policy_, view_});
  }
  // The decider answers the oldest; false if there is none.
  bool Answer() {
    MutexLock lock(mutex_);
    if (asked_.empty()) return false;
    const Asked asked = asked_.front();
    asked_.pop_front();
    if (active_ && asked.view == view_) Remember(asked);
    return true;
  }

  // Waits until it remembers what that policy says.
  bool WaitForPolicy(const std::string& policy) {
    MutexLock lock(mutex_);
    return lock.WaitFor(started_, kPatience, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return active_ && policy_ == policy;
    });
  }
  // Waits until there is a slot for that kind.
  bool WaitForSlot(const RememberedKind& kind) {
    MutexLock lock(mutex_);
    return lock.WaitFor(started_, kPatience, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return std::any_of(now_.slots.begin(), now_.slots.end(), [&](const RememberedSlot& slot) {
        return slot.kind == kind && slot.number != 0;
      });
    });
  }

 private:
  struct Asked {
    RememberedKind kind;
    std::string policy;  // What the decider followed.
    uint32_t view = 0;
  };

  void Remember(const Asked& asked) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const RememberedSlot& slot : now_.slots) {
      if (slot.kind != asked.kind) continue;
      if (slot.number != 0) table_->Enter(slot.number, slot.kind, asked.policy);
      return;
    }
    if (std::find(wanted_.begin(), wanted_.end(), asked.kind) != wanted_.end()) return;
    wanted_.push_back(asked.kind);
    memory_->WantSlot(now_.generation, asked.kind);
  }
  void Stop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++view_;
    active_ = false;
  }

  VerdictMemory* const memory_;  // Not owned.
  FakeTable* const table_;       // Not owned.
  Mutex mutex_;
  std::condition_variable started_;
  std::string policy_ ABSL_GUARDED_BY(mutex_);
  uint32_t view_ ABSL_GUARDED_BY(mutex_) = 0;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  Rememberable now_ ABSL_GUARDED_BY(mutex_);
  std::vector<RememberedKind> wanted_ ABSL_GUARDED_BY(mutex_);
  std::deque<Asked> asked_ ABSL_GUARDED_BY(mutex_);
};

constexpr size_t kQueues = 3;

// Some dozens of changes of the mode while packets come and policies change.
class Trial {
 public:
  explicit Trial(uint32_t seed)
      : seed_(seed),
        random_(seed),
        // With connections' marks, what is remembered is asked of the machine's own conntrack
        // before all of it is forgotten.
        marks_(seed % 2 == 0),
        table_(seed),
        remembered_(
            &table_, marks_ ? 0xff00 : 0,
            [](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> { return 0; }) {
    for (size_t i = 0; i < kQueues; ++i) {
      queues_.push_back(std::make_unique<FakeQueue>(&remembered_, &table_));
    }
    remembered_.Start({queues_[0].get(), queues_[1].get(), queues_[2].get()});
    for (const RememberedScope scope : {RememberedScope::kPeer, RememberedScope::kSource}) {
      for (const bool accept : {false, true}) {
        kinds_.push_back({.accept = accept, .scope = scope, .lifetime_s = 60});
      }
    }
    for (uint32_t i = 0; marks_ && i < 3; ++i) {
      kinds_.push_back(
          {.accept = true, .scope = RememberedScope::kConnection, .devices = {1, 2 + i}});
    }
  }

  // Before the queues go.
  ~Trial() { remembered_.Stop(); }

  void Run() {
    ASSERT_TRUE(remembered_.Install(TableMode::kOn).ok());
    FollowAll("first");
    table_.SetRefuses(true);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kQueues; ++i) {
      threads.emplace_back([this, i] { RunQueue(*queues_[i], seed_ * kQueues + i); });
    }
    for (int step = 0; step < 60; ++step) {
      GiveTurns(1 + random_() % 30);
      Change();
    }
    GiveTurns(0);
    for (std::thread& thread : threads) thread.join();
    if (table_.wrong().empty()) End();
    EXPECT_EQ(table_.wrong(), "");
    if (testing::Test::HasFailure()) ADD_FAILURE() << "seed " << seed_;
  }

 private:
  void RunQueue(FakeQueue& queue, size_t seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    while (TakeTurn()) {
      if (random() % 16 == 0) queue.Follow(absl::StrCat(random() % 2));
      queue.Ask(kinds_[random() % kinds_.size()]);
      if (random() % 2 == 0) queue.Ask(kinds_[random() % kinds_.size()]);
      for (int i = random() % 3; i >= 0; --i) queue.Answer();
    }
  }

  // Lets the queues take so many turns while the mode is changed, once they have taken those of
  // before: without an end to them, nobody else might get at a queue's lock. 0: they have done.
  void GiveTurns(size_t turns) {
    {
      MutexLock lock(turns_mutex_);
      lock.Wait(turns_changed_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return turns_ == 0; });
      turns_ = turns;
      done_ = turns == 0;
    }
    turns_changed_.notify_all();
  }
  // False: that was all.
  bool TakeTurn() {
    MutexLock lock(turns_mutex_);
    lock.Wait(turns_changed_,
              [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return done_ || turns_ > 0; });
    if (done_) return false;
    if (--turns_ == 0) turns_changed_.notify_all();
    return true;
  }

  // As ModeSwitch and people do, but in any order.
  void Change() {
    switch (random_() % 8) {
      case 0:
        if (remembered_.StopAsking().ok()) on_ = false;
        return;
      case 1:
        if (remembered_.Remove().ok()) on_ = false;
        return;
      case 2:
        if (remembered_.Install(TableMode::kShadow).ok()) on_ = false;
        return;
      case 3:
      case 4:
        if (!marks_) remembered_.ForgetAll().IgnoreError();
        return;
      default:
        if (remembered_.Install(TableMode::kOn).ok()) on_ = true;
        return;
    }
  }

  // Nothing is refused any more, and all follow one policy: nothing else is remembered.
  void End() {
    table_.SetRefuses(false);
    if (!on_) {
      ASSERT_TRUE(remembered_.Install(TableMode::kOn).ok());
    }
    FollowAll("last");
    for (const auto& queue : queues_) {
      for (const RememberedKind& kind : kinds_) {
        AskAndAnswer(*queue, kind);
        ASSERT_TRUE(queue->WaitForSlot(kind));
        AskAndAnswer(*queue, kind);
      }
    }
    const std::vector<std::string> entries = table_.entries();
    EXPECT_GE(entries.size(), kQueues * kinds_.size());
    EXPECT_EQ(std::count(entries.begin(), entries.end(), "last"), std::ssize(entries));
  }

  // Until what the policy says is remembered.
  void FollowAll(const std::string& policy) {
    for (const auto& queue : queues_) queue->Follow(policy);
    for (const auto& queue : queues_) ASSERT_TRUE(queue->WaitForPolicy(policy));
  }
  static void AskAndAnswer(FakeQueue& queue, const RememberedKind& kind) {
    queue.Ask(kind);
    while (queue.Answer()) {
    }
  }

  const uint32_t seed_;
  std::mt19937 random_;
  const bool marks_;
  std::vector<RememberedKind> kinds_;
  bool on_ = true;  // The mode.
  Mutex turns_mutex_;
  std::condition_variable turns_changed_;
  size_t turns_ ABSL_GUARDED_BY(turns_mutex_) = 0;
  bool done_ ABSL_GUARDED_BY(turns_mutex_) = false;
  FakeTable table_;
  RememberedVerdicts remembered_;
  std::vector<std::unique_ptr<FakeQueue>> queues_;
};

TEST(RememberedVerdictsModel, NothingOfAnOlderPolicyIsRemembered) {
  spdlog::set_level(spdlog::level::off);
  for (uint32_t seed = 1; seed <= 150 && !HasFailure(); ++seed) Trial(seed).Run();
}

}  // namespace
}  // namespace sluice::agent
