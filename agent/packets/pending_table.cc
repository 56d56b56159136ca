#include "agent/packets/pending_table.h"

#include <algorithm>
#include <bit>

namespace sluice::agent {
namespace {

constexpr int kTagShift = 56;
constexpr uint64_t kSequenceMask = (uint64_t{1} << kTagShift) - 1;

}  // namespace

// Twice the capacity: a free slot is near even when the table is full of packets on hold, and the
// id of a packet that left is known until at least `capacity` newer packets have come.
PendingTable::PendingTable(uint8_t tag, size_t capacity, size_t byte_capacity)
    : tag_(uint64_t{tag} << kTagShift),
      capacity_(capacity),
      byte_capacity_(byte_capacity),
      mask_(std::bit_ceil(capacity * 2) - 1),
      slots_(mask_ + 1) {}

uint64_t PendingTable::Insert(PendingPacket packet) {
  do {
    ++sequence_;
  } while (slots_[sequence_ & mask_].entry != kNone);
  packet.transaction_id = tag_ | (sequence_ & kSequenceMask);
  if (packet.message != nullptr) packet.message->set_transaction_id(packet.transaction_id);
  if (free_ == kNone) {
    free_ = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  const uint32_t index = free_;
  Entry& entry = entries_[index];
  free_ = entry.later;
  entry.packet = std::move(packet);
  Slot& slot = SlotOf(entry.packet.transaction_id);
  slot.transaction_id = entry.packet.transaction_id;
  slot.entry = index;
  Link(index);
  bytes_ += entry.packet.bytes;
  peak_ = std::max(peak_, ++size_);
  return slot.transaction_id;
}

void PendingTable::Link(uint32_t index) {
  Entry& entry = entries_[index];
  uint32_t before = last_;
  while (before != kNone && entries_[before].packet.deadline_ns > entry.packet.deadline_ns) {
    before = entries_[before].earlier;
  }
  entry.earlier = before;
  entry.later = before == kNone ? first_ : entries_[before].later;
  (before == kNone ? first_ : entries_[before].later) = index;
  (entry.later == kNone ? last_ : entries_[entry.later].earlier) = index;
}

void PendingTable::Hold(uint32_t index) {
  Entry& entry = entries_[index];
  entry.earlier = kHeld;
  held_.emplace(entry.packet.deadline_ns, index);
}

void PendingTable::Unlink(uint32_t index) {
  const Entry& entry = entries_[index];
  if (entry.earlier == kHeld) {
    held_.erase({entry.packet.deadline_ns, index});
    return;
  }
  (entry.earlier == kNone ? first_ : entries_[entry.earlier].later) = entry.later;
  (entry.later == kNone ? last_ : entries_[entry.later].earlier) = entry.earlier;
}

PendingPacket PendingTable::Remove(uint32_t index, Ending ending) {
  Unlink(index);
  Entry& entry = entries_[index];
  Slot& slot = SlotOf(entry.packet.transaction_id);
  slot.entry = kNone;
  slot.ending = ending;
  entry.later = free_;
  free_ = index;
  --size_;
  bytes_ -= entry.packet.bytes;
  return std::move(entry.packet);
}

uint32_t PendingTable::Look(uint64_t transaction_id, uint32_t stream, Absent& absent) {
  const uint64_t sequence = transaction_id & kSequenceMask;
  const Slot& slot = SlotOf(transaction_id);
  if ((transaction_id & ~kSequenceMask) != tag_ || sequence == 0 || sequence > sequence_) {
    absent = Absent::kUnknown;
  } else if (slot.transaction_id != transaction_id) {
    // The slot has been used again since then (or the id was passed over): the packet is long gone.
    absent = slot.transaction_id > transaction_id ? Absent::kLate : Absent::kUnknown;
  } else if (slot.entry == kNone) {
    absent = slot.ending == Ending::kAnswered ? Absent::kDuplicate : Absent::kLate;
  } else if (entries_[slot.entry].packet.stream != stream) {
    absent = Absent::kWrongOwner;
  } else {
    return slot.entry;
  }
  return kNone;
}

PendingTable::Taken PendingTable::Take(uint64_t transaction_id, uint32_t stream) {
  Taken taken;
  const uint32_t index = Look(transaction_id, stream, taken.absent);
  if (index != kNone) taken.packet = Remove(index, Ending::kAnswered);
  return taken;
}

std::optional<PendingTable::Absent> PendingTable::Defer(uint64_t transaction_id, uint32_t stream,
                                                        int64_t more_ns, int64_t limit_ns) {
  Absent absent;
  const uint32_t index = Look(transaction_id, stream, absent);
  if (index == kNone) return absent;
  PendingPacket& packet = entries_[index].packet;
  Unlink(index);
  packet.deadline_ns = std::max(
      packet.deadline_ns, std::min(packet.deadline_ns + more_ns, packet.arrival_ns + limit_ns));
  Hold(index);
  return std::nullopt;
}

uint32_t PendingTable::First() const {
  if (held_.empty()) return first_;
  const auto [deadline_ns, index] = *held_.begin();
  return first_ != kNone && entries_[first_].packet.deadline_ns <= deadline_ns ? first_ : index;
}

std::optional<PendingPacket> PendingTable::TakeExpired(int64_t now_ns) {
  const uint32_t first = First();
  if (first == kNone || entries_[first].packet.deadline_ns > now_ns) return std::nullopt;
  return Remove(first, Ending::kFallback);
}

std::optional<PendingPacket> PendingTable::TakeAny() {
  const uint32_t first = First();
  if (first == kNone) return std::nullopt;
  return Remove(first, Ending::kFallback);
}

std::optional<PendingPacket> PendingTable::TakeOlder(uint64_t transaction_id, uint32_t stream) {
  const auto older = [&](uint32_t index) {
    const PendingPacket& packet = entries_[index].packet;
    return packet.stream == stream && packet.transaction_id < transaction_id;
  };
  for (uint32_t index = first_; index != kNone; index = entries_[index].later) {
    if (older(index)) return Remove(index, Ending::kFallback);
  }
  for (const auto& [deadline_ns, index] : held_) {
    if (older(index)) return Remove(index, Ending::kFallback);
  }
  return std::nullopt;
}

PendingPacket* PendingTable::Find(uint64_t transaction_id) {
  const Slot& slot = SlotOf(transaction_id);
  if (slot.entry == kNone || slot.transaction_id != transaction_id) return nullptr;
  return &entries_[slot.entry].packet;
}

std::vector<uint64_t> PendingTable::Ids() const {
  std::vector<uint64_t> ids;
  ids.reserve(size_);
  for (uint32_t index = first_; index != kNone; index = entries_[index].later) {
    ids.push_back(entries_[index].packet.transaction_id);
  }
  for (const auto& [deadline_ns, index] : held_) {
    ids.push_back(entries_[index].packet.transaction_id);
  }
  // Ids count up with each arrival.
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::optional<int64_t> PendingTable::NextDeadline() const {
  const uint32_t first = First();
  if (first == kNone) return std::nullopt;
  return entries_[first].packet.deadline_ns;
}

}  // namespace sluice::agent
