#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/packet_headers.h"

namespace sluice::agent {

// A packet that waits for its verdict: the right to answer it, which exists once. It can be
// moved, not copied, and whoever takes it out of the table must answer the kernel.
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
  uint32_t stream = 0;      // Decide stream it was, or is to be, presented on
  uint32_t input_ifindex = 0;
  uint32_t output_ifindex = 0;
  PacketHeaders headers;
};

// All packets of one queue that wait for a verdict: sole owner of the right to answer them. One
// thread. Bounded: Full() says when the fallback must be given instead of inserting. Finding a
// packet, inserting and taking cost the same however many are pending.
class PendingTable final {
 public:
  // `tag` becomes the top byte of every transaction id. `capacity` is at least 1.
  PendingTable(uint8_t tag, size_t capacity);

  // The packet is given its transaction id and kept. Not when Full(). Deadlines may come in any
  // order, but one earlier than those before it costs a walk past them.
  uint64_t Insert(PendingPacket packet);

  // Why there was nothing to take.
  enum class Absent {
    kLate,        // it had got the fallback
    kDuplicate,   // it had been answered
    kUnknown,     // no packet ever had this id
    kWrongOwner,  // it is pending, but was presented on another stream
  };
  // How a packet left: what a later answer to it is called.
  enum class Ending : uint8_t { kAnswered, kFallback };

  struct Taken {
    std::optional<PendingPacket> packet;
    Absent absent = Absent::kUnknown;  // where there is no packet
  };
  // Takes a packet that a stream answers.
  Taken Take(uint64_t transaction_id, uint32_t stream);

  // Takes the packet whose deadline is earliest if that is not after `now_ns`.
  std::optional<PendingPacket> TakeExpired(int64_t now_ns);

  // Takes the packet that has waited longest, whatever its deadline; nothing if empty.
  std::optional<PendingPacket> TakeOldest();

  // Strict order: takes the oldest packet of `stream` that is older than `transaction_id`.
  std::optional<PendingPacket> TakeOlder(uint64_t transaction_id, uint32_t stream);

  bool Contains(uint64_t transaction_id) const;
  // Earliest deadline, if any packet is pending.
  std::optional<int64_t> NextDeadline() const;
  size_t size() const { return size_; }
  size_t peak() const { return peak_; }
  bool Full() const { return size_ == capacity_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The slot of a transaction is its sequence number modulo the number of slots. A sequence
  // number whose slot is still in use is passed over, so ids may have gaps but never clash.
  struct Slot {
    PendingPacket packet;  // its transaction_id stays when the packet is gone
    uint32_t earlier = kNone;
    uint32_t later = kNone;
    bool pending = false;
    Ending ending = Ending::kAnswered;
  };

  Slot& SlotOf(uint64_t transaction_id) { return slots_[transaction_id & mask_]; }
  const Slot& SlotOf(uint64_t transaction_id) const { return slots_[transaction_id & mask_]; }
  PendingPacket Remove(Slot& slot, Ending ending);

  const uint64_t tag_;
  const size_t capacity_;
  const uint64_t mask_;
  std::vector<Slot> slots_;
  // By deadline.
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
  uint64_t sequence_ = 0;
  size_t size_ = 0;
  size_t peak_ = 0;
};

}  // namespace sluice::agent
