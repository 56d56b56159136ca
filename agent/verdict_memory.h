#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/netfilter/remembered_slot.h"

namespace sluice::agent {

// What the table can remember now, as the loops are told.
struct Rememberable {
  // Counts up each time everything is forgotten.
  uint64_t epoch = 0;
  // The policy that is remembered.
  std::string policy_version;
  // Number 0: kinds there was no slot for.
  std::vector<RememberedSlot> slots;
};

// What a queue's loop asks of the owner of the table's memory. Never waits.
class VerdictMemory {
 public:
  virtual ~VerdictMemory() = default;
  // Verdicts of a kind that has no slot yet.
  virtual void WantSlot(uint64_t epoch, const RememberedKind& kind) = 0;
  // The decider of a queue follows that policy now.
  virtual void PolicyIs(const std::string& version) = 0;
};

}  // namespace sluice::agent
