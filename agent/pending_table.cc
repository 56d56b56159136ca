#include "agent/pending_table.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::agent {
namespace {

constexpr int kTagShift = 56;
constexpr uint64_t kSequenceMask = (uint64_t{1} << kTagShift) - 1;

}  // namespace

// Twice the capacity: a free slot is near even when the table is full of packets on hold, and
// the ids of packets that left are remembered at least as long as there is room for new ones.
PendingTable::PendingTable(uint8_t tag, size_t capacity)
    : tag_(uint64_t{tag} << kTagShift),
      capacity_(capacity),
      mask_(std::bit_ceil(capacity * 2) - 1),
      slots_(mask_ + 1) {}

uint64_t PendingTable::Insert(PendingPacket packet) {
  do {
    ++sequence_;
  } while (slots_[sequence_ & mask_].pending);
  packet.transaction_id = tag_ | (sequence_ & kSequenceMask);
  Slot& slot = SlotOf(packet.transaction_id);
  const uint32_t index = static_cast<uint32_t>(packet.transaction_id & mask_);
  slot.packet = std::move(packet);
  slot.pending = true;

  uint32_t before = last_;
  while (before != kNone && slots_[before].packet.deadline_ns > slot.packet.deadline_ns) {
    before = slots_[before].earlier;
  }
  slot.earlier = before;
  slot.later = before == kNone ? first_ : slots_[before].later;
  (before == kNone ? first_ : slots_[before].later) = index;
  (slot.later == kNone ? last_ : slots_[slot.later].earlier) = index;

  peak_ = std::max(peak_, ++size_);
  return slot.packet.transaction_id;
}

PendingPacket PendingTable::Remove(Slot& slot, Ending ending) {
  (slot.earlier == kNone ? first_ : slots_[slot.earlier].later) = slot.later;
  (slot.later == kNone ? last_ : slots_[slot.later].earlier) = slot.earlier;
  slot.pending = false;
  slot.ending = ending;
  --size_;
  return std::move(slot.packet);
}

PendingTable::Taken PendingTable::Take(uint64_t transaction_id, uint32_t stream) {
  const uint64_t sequence = transaction_id & kSequenceMask;
  if ((transaction_id & ~kSequenceMask) != tag_ || sequence == 0 || sequence > sequence_) {
    return {std::nullopt, Absent::kUnknown};
  }
  Slot& slot = SlotOf(transaction_id);
  if (slot.packet.transaction_id != transaction_id) {
    // The slot has been used again since (or the id was passed over): long gone.
    return {std::nullopt,
            slot.packet.transaction_id > transaction_id ? Absent::kLate : Absent::kUnknown};
  }
  if (!slot.pending) {
    return {std::nullopt, slot.ending == Ending::kAnswered ? Absent::kDuplicate : Absent::kLate};
  }
  if (slot.packet.stream != stream) return {std::nullopt, Absent::kWrongOwner};
  return {Remove(slot, Ending::kAnswered), Absent::kUnknown};
}

std::optional<PendingPacket> PendingTable::TakeExpired(int64_t now_ns) {
  if (first_ == kNone || slots_[first_].packet.deadline_ns > now_ns) return std::nullopt;
  return Remove(slots_[first_], Ending::kFallback);
}

std::optional<PendingPacket> PendingTable::TakeOldest() {
  if (first_ == kNone) return std::nullopt;
  return Remove(slots_[first_], Ending::kFallback);
}

std::optional<PendingPacket> PendingTable::TakeOlder(uint64_t transaction_id, uint32_t stream) {
  for (uint32_t index = first_; index != kNone; index = slots_[index].later) {
    Slot& slot = slots_[index];
    if (slot.packet.stream == stream && slot.packet.transaction_id < transaction_id) {
      return Remove(slot, Ending::kFallback);
    }
  }
  return std::nullopt;
}

bool PendingTable::Contains(uint64_t transaction_id) const {
  const Slot& slot = SlotOf(transaction_id);
  return slot.pending && slot.packet.transaction_id == transaction_id;
}

std::optional<int64_t> PendingTable::NextDeadline() const {
  if (first_ == kNone) return std::nullopt;
  return slots_[first_].packet.deadline_ns;
}

}  // namespace sluice::agent
