#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/remembered/verdict_memory.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// What is to be remembered of a verdict; nothing if it decides only this packet. INVALID_ARGUMENT:
// the verdict makes no sense.
//
// A verdict that rewrites its packet or sets a mark decides only this packet: nobody would rewrite
// or mark the later ones.
absl::StatusOr<std::optional<RememberedKind>> KindOf(const v1::Verdict& verdict);

// One queue's view of what the table can remember: which slot a verdict is to carry. A verdict is
// only remembered if its packet was presented to the decider under the policy that is remembered
// now: a verdict that was on its way when everything was forgotten may have followed the policy
// before. Owned by the queue's pipeline; one thread. Allocates when a kind of verdict comes for the
// first time.
class RememberedSlots final {
 public:
  // `memory` is not owned; null: nothing is remembered.
  explicit RememberedSlots(VerdictMemory* memory) : memory_(memory) {}

  // The decider follows this policy from now on.
  void SetPolicy(const std::string& token, const std::string& label);
  // Everything is about to be forgotten: no verdict carries a slot until Start.
  void Stop();
  // What the table can remember from now on.
  void Start(const Rememberable& rememberable);

  // Is kept with each packet that is presented to the decider.
  uint32_t view() const { return view_; }
  // The slot for the verdict on a packet that was presented in `view`; 0 if it is not to be
  // remembered.
  uint32_t SlotFor(const RememberedKind& kind, uint32_t view);

  // Verdicts that were not remembered because there are too many kinds of them.
  uint64_t unslotted() const { return unslotted_; }

 private:
  struct Known {
    RememberedKind kind;
    std::optional<uint32_t> number;  // Nothing: asked for, not given yet.
  };
  // The most kinds that are told apart; the table has slots for fewer.
  static constexpr size_t kMostKinds = kAcceptSlots + kDropCodes;

  VerdictMemory* const memory_;  // Not owned; may be null.
  std::optional<std::string> policy_token_;
  uint32_t view_ = 0;
  bool active_ = false;
  uint64_t generation_ = 0;
  std::vector<Known> known_;
  uint64_t unslotted_ = 0;
};

}  // namespace sluice::agent
