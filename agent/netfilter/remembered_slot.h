#pragma once

#include <cstdint>

#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {

enum class RememberedScope : uint8_t { kConnection, kPeer, kSource };

// What a verdict that is to be remembered says, but for what it is about.
struct RememberedKind {
  bool accept = false;
  Notification notification = Notification::kNone;  // Of refusals.
  RememberedScope scope = RememberedScope::kConnection;
  uint32_t lifetime_s = 0;  // Of accepted connections 0: those are remembered while tracked.

  bool operator==(const RememberedKind&) const = default;
};

// A number that verdicts of one kind carry in the packet's mark, for the table's rules to remember
// them: below kAcceptSlots where they accept, else from kFirstRefuseSlot to below kRefuseCodes.
struct RememberedSlot {
  RememberedKind kind;
  uint32_t number = 0;
};

// The slot of accepted connections, which the table has from the start.
inline constexpr uint32_t kConnectionSlot = 1;

constexpr uint32_t SlotMark(uint32_t mark_mask, const RememberedSlot& slot) {
  return slot.kind.accept ? AcceptMark(mark_mask, slot.number) : RefuseMark(mark_mask, slot.number);
}

}  // namespace sluice::agent
