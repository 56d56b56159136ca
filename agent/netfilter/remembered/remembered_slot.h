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

// What a verdict that is to be remembered says, apart from the packets that it is about.
struct RememberedKind {
  bool accept = false;
  Notice notice = Notice::kNone;  // Of drops.
  RememberedScope scope = RememberedScope::kConnection;
  uint32_t lifetime_s = 0;  // 0 for accepted connections: those are remembered while tracked.
  DevicePair devices = {};  // Of accepted connections; both directions.

  bool operator==(const RememberedKind&) const = default;
};

// A number that verdicts of one kind carry in the packet's mark, by which the table's rules
// remember them. Accepting kinds have numbers below kAcceptSlots, others from kFirstDropSlot to
// below kDropCodes.
struct RememberedSlot {
  RememberedKind kind;
  uint32_t number = 0;
  // For kConnectionSlot: the ConnectionMark that connections between those devices bear.
  uint32_t connection_mark = 0;
};

// The slots of accepted connections, which the table has from the start. The connections of
// kConnectionSlot bear a mark, one for each pair of devices. Connections for whose devices no mark
// is left have kEnteredConnectionSlot; they are entered in sets, for a minute.
inline constexpr uint32_t kConnectionSlot = 1;
inline constexpr uint32_t kEnteredConnectionSlot = 2;

constexpr uint32_t SlotMark(uint32_t mark_mask, const RememberedSlot& slot) {
  return slot.kind.accept ? AcceptMark(mark_mask, slot.number) : DropMark(mark_mask, slot.number);
}

}  // namespace sluice::agent
