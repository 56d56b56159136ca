#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/verdict_memory.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// What of a verdict is to be remembered; nothing if it decides this packet and no other.
// INVALID_ARGUMENT: the verdict makes no sense.
//
// A verdict that rewrites its packet or sets a mark is for this packet only: what comes later,
// nobody would rewrite or mark.
absl::StatusOr<std::optional<RememberedKind>> KindOf(const v1::Verdict& verdict);

// One queue's view of what the table can remember: which slot a verdict is to carry. A verdict is
// only remembered if its packet was presented to the decider while the policy was the one that is
// remembered now: one that was on its way when all was forgotten may have followed the policy
// before. Owned by the queue's pipeline; one thread. Allocates when a kind of verdict comes for the
// first time.
class RememberedSlots final {
 public:
  // `memory` is not owned; null: nothing is remembered.
  explicit RememberedSlots(VerdictMemory* memory) : memory_(memory) {}

  // The decider follows that policy from here on.
  void SetPolicy(const std::string& version);
  // Everything is about to be forgotten: no verdict carries a slot until Start.
  void Stop();
  // What the table can remember from here on.
  void Start(const Rememberable& rememberable);

  // To be kept with each packet that is presented to the decider.
  uint32_t era() const { return era_; }
  // The slot for the verdict on a packet of that era; 0 if it is not to be remembered.
  uint32_t SlotFor(const RememberedKind& kind, uint32_t era);

  // Verdicts that were not remembered as there are too many kinds of them.
  uint64_t unslotted() const { return unslotted_; }

 private:
  struct Known {
    RememberedKind kind;
    std::optional<uint32_t> number;  // Nothing: wanted.
  };
  // As many kinds as are told apart; the table has slots for fewer.
  static constexpr size_t kMostKinds = kAcceptSlots + kRefuseCodes;

  VerdictMemory* const memory_;  // Not owned; may be null.
  std::optional<std::string> policy_version_;
  uint32_t era_ = 0;
  bool active_ = false;
  uint64_t epoch_ = 0;
  std::vector<Known> known_;
  uint64_t unslotted_ = 0;
};

}  // namespace sluice::agent
