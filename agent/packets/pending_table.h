#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/packets/answer_right.h"
#include "agent/packets/packed_message.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// A packet that waits for its verdict, with the right to answer it. Whoever takes it out of the
// table must answer the kernel.
struct PendingPacket {
  PendingPacket() = default;
  PendingPacket(PendingPacket&&) = default;
  PendingPacket& operator=(PendingPacket&&) = default;
  PendingPacket(const PendingPacket&) = delete;
  PendingPacket& operator=(const PendingPacket&) = delete;

  uint64_t transaction_id = 0;
  int64_t arrival_ns = 0;   // monotonic clock
  int64_t deadline_ns = 0;  // monotonic clock
  uint32_t packet_id = 0;   // the kernel's
  uint32_t mark = 0;        // as it came
  uint32_t stream = 0;      // Decide stream it was, or is to be, presented on; 0: none yet
  uint32_t view = 0;        // of RememberedSlots, when it was presented
  uint32_t bytes = 0;       // copied from it
  uint32_t input_ifindex = 0;
  uint32_t output_ifindex = 0;
  v1::Family family = v1::FAMILY_UNSPECIFIED;
  bool whole = false;     // all of it was copied, one segment with its checksums filled in
  bool released = false;  // the kernel was told to let it go; the verdict is for the record
  AnswerRight right;
  // The packet as deciders are shown it; kept in case another one has to be asked. Null while it is
  // packed.
  std::unique_ptr<v1::Packet> message;
  PackedMessage packed;
};

// All packets of one queue that wait for a verdict: sole owner of the right to answer them. One
// thread. Bounded in packets and in bytes copied from them: without HasRoom(), give the fallback
// instead of inserting. Finding, inserting and taking a packet cost the same however many are
// pending, except for packets on hold, whose deadlines are kept in a tree.
class PendingTable final {
 public:
  // `tag` becomes the top byte of every transaction id. The capacities are at least 1.
  PendingTable(uint8_t tag, size_t capacity, size_t byte_capacity);

  // Gives the packet its transaction id and keeps it. Only when HasRoom(). Deadlines may come in
  // any order, but one that is earlier than those before it costs a walk past them.
  uint64_t Insert(PendingPacket packet);
  // A single packet always fits.
  bool HasRoom(size_t bytes) const {
    return size_ == 0 || (size_ < capacity_ && bytes_ + bytes <= byte_capacity_);
  }

  // Why there was nothing to take.
  enum class Absent {
    kUnknown,     // no packet ever had this id
    kDuplicate,   // it was answered before
    kLate,        // it had got the fallback
    kWrongOwner,  // it is pending, but was presented on another stream
  };

  struct Taken {
    std::optional<PendingPacket> packet;
    Absent absent = Absent::kUnknown;  // where there is no packet
  };
  // Takes a packet that a stream answers.
  Taken Take(uint64_t transaction_id, uint32_t stream);

  // A stream asks for more time for a packet: it gets `more_ns`, up to `limit_ns` after its
  // arrival, and never less than it had. Absent as for Take.
  std::optional<Absent> Defer(uint64_t transaction_id, uint32_t stream, int64_t more_ns,
                              int64_t limit_ns);

  // Takes the packet with the earliest deadline if that is not after `now_ns`.
  std::optional<PendingPacket> TakeExpired(int64_t now_ns);

  // Takes any packet, whatever its deadline; nothing if the table is empty.
  std::optional<PendingPacket> TakeAny();

  // Strict order: takes a packet of `stream` that is older than `transaction_id`.
  std::optional<PendingPacket> TakeOlder(uint64_t transaction_id, uint32_t stream);

  // A pending packet, to read or to change; null if none with this id is pending.
  PendingPacket* Find(uint64_t transaction_id);
  // All that are pending, in order of arrival.
  std::vector<uint64_t> Ids() const;

  // Earliest deadline, if any packet is pending.
  std::optional<int64_t> NextDeadline() const;
  size_t size() const { return size_; }
  size_t peak() const { return peak_; }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // In place of Entry::earlier: the packet is on hold, and so in held_.
  static constexpr uint32_t kHeld = UINT32_MAX - 1;

  enum class Ending : uint8_t { kAnswered, kFallback };

  // The slot of a transaction is its sequence number modulo the number of slots. A sequence
  // number whose slot is still in use is passed over, so ids may have gaps but never clash.
  struct Slot {
    uint64_t transaction_id = 0;  // stays when the packet is gone
    uint32_t entry = kNone;       // of entries_, while it is pending
    Ending ending = Ending::kAnswered;
  };
  struct Entry {
    PendingPacket packet;
    uint32_t earlier = kNone;
    uint32_t later = kNone;  // of a free entry: the next free one
  };

  Slot& SlotOf(uint64_t transaction_id) {
    return slots_[static_cast<uint32_t>(transaction_id & mask_)];
  }
  // The entry of a packet that `stream` may answer; if there is none, kNone, and `absent` says why.
  uint32_t Look(uint64_t transaction_id, uint32_t stream, Absent& absent);
  // The entry with the earliest deadline, kNone if empty.
  uint32_t First() const;
  void Link(uint32_t index);
  void Hold(uint32_t index);
  void Unlink(uint32_t index);
  PendingPacket Remove(uint32_t index, Ending ending);

  const uint64_t tag_;
  const size_t capacity_;
  const size_t byte_capacity_;
  const uint64_t mask_;
  std::vector<Slot> slots_;
  std::vector<Entry> entries_;  // As many as were ever pending at once.
  uint32_t free_ = kNone;
  // Packets that are not on hold, by deadline. All wait equally long, so that this is the order of
  // arrival.
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
  std::set<std::pair<int64_t, uint32_t>> held_;  // deadline and entry
  uint64_t sequence_ = 0;
  size_t size_ = 0;
  size_t peak_ = 0;
  size_t bytes_ = 0;
};

}  // namespace sluice::agent
