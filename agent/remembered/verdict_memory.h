#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/netfilter/remembered/remembered_slot.h"

namespace sluice::agent {

// What the table can remember now, as the loops are told.
struct Rememberable {
  // Counts up each time everything is forgotten.
  uint64_t generation = 0;
  // The policy whose verdicts are remembered.
  std::string policy_token;
  // Kinds for which there was no slot have number 0.
  std::vector<RememberedSlot> slots;
};

// What a queue's loop asks of RememberedVerdicts. Never waits.
class VerdictMemory {
 public:
  virtual ~VerdictMemory() = default;
  // There are verdicts of a kind that has no slot yet.
  virtual void WantSlot(uint64_t generation, const RememberedKind& kind) = 0;
  // The decider of a queue follows this policy now.
  virtual void PolicyIs(const std::string& token, const std::string& label) = 0;
};

// A queue whose verdicts may be remembered, as RememberedVerdicts sees it: QueueLoop, and what
// stands for it in tests. Any thread may call.
class RememberingQueue {
 public:
  virtual ~RememberingQueue() = default;

  // When this returns, no verdict of the queue carries a slot any more, and the kernel has been
  // told those that did.
  virtual void StopRemembering() = 0;
  // What can be remembered from now on.
  virtual void StartRemembering(const Rememberable& rememberable) = 0;
  // Verdicts that were not remembered because there are too many kinds of them.
  virtual uint64_t unslotted() = 0;
};

}  // namespace sluice::agent
