#include "agent/pending_table.h"

#include <algorithm>
#include <bit>

namespace sluice::agent {
namespace {

constexpr int kTagShift = 56;
constexpr uint64_t kSequenceMask = (uint64_t{1} << kTagShift) - 1;

}  // namespace

// Twice the capacity: a free slot is near even when the table is full of packets on hold, and
// the ids of packets that left are remembered at least as long as there is room for new ones.
PendingTable::PendingTable(uint8_t tag, size_t capacity, size_t byte_capacity)
    : tag_(uint64_t{tag} << kTagShift),
      capacity_(capacity),
      byte_capacity_(byte_capacity),
      mask_(std::bit_ceil(capacity * 2) - 1),
      slots_(mask_ + 1) {}

uint64_t PendingTable::Insert(PendingPacket packet) {
  do {
    ++sequence_;
  } while (slots_[sequence_ & mask_].pending);
  packet.transaction_id = tag_ | (sequence_ & kSequenceMask);
  if (packet.message != nullptr) packet.message->set_transaction_id(packet.transaction_id);
  const uint32_t index = IndexOf(packet.transaction_id);
  Slot& slot = slots_[index];
  slot.packet = std::move(packet);
  slot.pending = true;
  slot.held = false;
  Link(index);
  bytes_ += slot.packet.bytes;
  peak_ = std::max(peak_, ++size_);
  return slot.packet.transaction_id;
}

void PendingTable::Link(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.held) {
    held_.emplace(slot.packet.deadline_ns, index);
    return;
  }
  uint32_t before = last_;
  while (before != kNone && slots_[before].packet.deadline_ns > slot.packet.deadline_ns) {
    before = slots_[before].earlier;
  }
  slot.earlier = before;
  slot.later = before == kNone ? first_ : slots_[before].later;
  (before == kNone ? first_ : slots_[before].later) = index;
  (slot.later == kNone ? last_ : slots_[slot.later].earlier) = index;
}

void PendingTable::Unlink(uint32_t index) {
  const Slot& slot = slots_[index];
  if (slot.held) {
    held_.erase({slot.packet.deadline_ns, index});
    return;
  }
  (slot.earlier == kNone ? first_ : slots_[slot.earlier].later) = slot.later;
  (slot.later == kNone ? last_ : slots_[slot.later].earlier) = slot.earlier;
}

PendingPacket PendingTable::Remove(uint32_t index, Ending ending) {
  Unlink(index);
  Slot& slot = slots_[index];
  slot.pending = false;
  slot.ending = ending;
  --size_;
  bytes_ -= slot.packet.bytes;
  return std::move(slot.packet);
}

PendingTable::Slot* PendingTable::Look(uint64_t transaction_id, uint32_t stream, Absent& absent) {
  const uint64_t sequence = transaction_id & kSequenceMask;
  Slot& slot = slots_[IndexOf(transaction_id)];
  if ((transaction_id & ~kSequenceMask) != tag_ || sequence == 0 || sequence > sequence_) {
    absent = Absent::kUnknown;
  } else if (slot.packet.transaction_id != transaction_id) {
    // The slot has been used again since (or the id was passed over): long gone.
    absent = slot.packet.transaction_id > transaction_id ? Absent::kLate : Absent::kUnknown;
  } else if (!slot.pending) {
    absent = slot.ending == Ending::kAnswered ? Absent::kDuplicate : Absent::kLate;
  } else if (slot.packet.stream != stream) {
    absent = Absent::kWrongOwner;
  } else {
    return &slot;
  }
  return nullptr;
}

PendingTable::Taken PendingTable::Take(uint64_t transaction_id, uint32_t stream) {
  Taken taken;
  if (Look(transaction_id, stream, taken.absent) != nullptr) {
    taken.packet = Remove(IndexOf(transaction_id), Ending::kAnswered);
  }
  return taken;
}

std::optional<PendingTable::Absent> PendingTable::Defer(uint64_t transaction_id, uint32_t stream,
                                                        int64_t more_ns, int64_t limit_ns) {
  Absent absent;
  Slot* slot = Look(transaction_id, stream, absent);
  if (slot == nullptr) return absent;
  PendingPacket& packet = slot->packet;
  const uint32_t index = IndexOf(transaction_id);
  Unlink(index);
  packet.deadline_ns = std::max(
      packet.deadline_ns, std::min(packet.deadline_ns + more_ns, packet.arrival_ns + limit_ns));
  slot->held = true;
  Link(index);
  return std::nullopt;
}

uint32_t PendingTable::First() const {
  if (held_.empty()) return first_;
  const auto [deadline_ns, index] = *held_.begin();
  return first_ != kNone && slots_[first_].packet.deadline_ns <= deadline_ns ? first_ : index;
}

std::optional<PendingPacket> PendingTable::TakeExpired(int64_t now_ns) {
  const uint32_t first = First();
  if (first == kNone || slots_[first].packet.deadline_ns > now_ns) return std::nullopt;
  return Remove(first, Ending::kFallback);
}

std::optional<PendingPacket> PendingTable::TakeAny() {
  const uint32_t first = First();
  if (first == kNone) return std::nullopt;
  return Remove(first, Ending::kFallback);
}

std::optional<PendingPacket> PendingTable::TakeOlder(uint64_t transaction_id, uint32_t stream) {
  const auto older = [&](uint32_t index) {
    const PendingPacket& packet = slots_[index].packet;
    return packet.stream == stream && packet.transaction_id < transaction_id;
  };
  for (uint32_t index = first_; index != kNone; index = slots_[index].later) {
    if (older(index)) return Remove(index, Ending::kFallback);
  }
  for (const auto& [deadline_ns, index] : held_) {
    if (older(index)) return Remove(index, Ending::kFallback);
  }
  return std::nullopt;
}

PendingPacket* PendingTable::Find(uint64_t transaction_id) {
  Slot& slot = slots_[IndexOf(transaction_id)];
  if (!slot.pending || slot.packet.transaction_id != transaction_id) return nullptr;
  return &slot.packet;
}

std::vector<uint64_t> PendingTable::Ids() const {
  std::vector<uint64_t> ids;
  ids.reserve(size_);
  for (uint32_t index = first_; index != kNone; index = slots_[index].later) {
    ids.push_back(slots_[index].packet.transaction_id);
  }
  for (const auto& [deadline_ns, index] : held_) ids.push_back(slots_[index].packet.transaction_id);
  // Ids count up with each arrival.
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::optional<int64_t> PendingTable::NextDeadline() const {
  const uint32_t first = First();
  if (first == kNone) return std::nullopt;
  return slots_[first].packet.deadline_ns;
}

}  // namespace sluice::agent
