#pragma once

#include <cstdint>

#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {

enum class RememberedScope : uint8_t { kConnection, kPeer, kSource };

// The two devices a packet passes, by their indices, the lower first.
struct DevicePair {
  uint32_t low = 0;
  uint32_t high = 0;

  static constexpr DevicePair Of(uint32_t one, uint32_t other) {
    return one < other ? DevicePair{one, other} : DevicePair{other, one};
  }
  bool operator==(const DevicePair&) const = default;
};

// What a verdict that is to be remembered says, but for what it is about.
struct RememberedKind {
  bool accept = false;
  Notification notification = Notification::kNone;  // Of refusals.
  RememberedScope scope = RememberedScope::kConnection;
  uint32_t lifetime_s = 0;  // Of accepted connections 0: those are remembered while tracked.
  DevicePair devices = {};  // Of accepted connections; both ways.

  bool operator==(const RememberedKind&) const = default;
};

// A number that verdicts of one kind carry in the packet's mark, for the table's rules to remember
// them: below kAcceptSlots where they accept, else from kFirstRefuseSlot to below kRefuseCodes.
struct RememberedSlot {
  RememberedKind kind;
  uint32_t number = 0;
  // Of kConnectionSlot: what connections between those devices bear. A GenerationMark.
  uint32_t connection_mark = 0;
};

// The slots of accepted connections, which the table has from the start. Their connections bear a
// mark, one for each pair of devices; those for whose devices there is no mark left are entered in
// sets, for a minute.
inline constexpr uint32_t kConnectionSlot = 1;
inline constexpr uint32_t kEnteredConnectionSlot = 2;

constexpr uint32_t SlotMark(uint32_t mark_mask, const RememberedSlot& slot) {
  return slot.kind.accept ? AcceptMark(mark_mask, slot.number) : RefuseMark(mark_mask, slot.number);
}

}  // namespace sluice::agent
