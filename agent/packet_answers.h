#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/counters.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/packet_queue.h"
#include "agent/pending_table.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

struct AnswerOptions {
  uint16_t queue = 0;
  // The agent's queues, numbered without a gap.
  uint16_t first_queue = 0;
  uint16_t queue_count = 1;
  bool fail_open = false;
  // Packet-mark bits of ours (mark_bits.h): deciders neither see nor set them. 0: we have none, as
  // the rules are the operator's (hook.manage: false).
  uint32_t mark_mask = 0;
};

// What a verdict changes of a packet that goes on.
struct PacketChange {
  // The mark gets `set` where `mask` has ones; bits of ours are left alone.
  uint32_t set = 0;
  uint32_t mask = 0;
  // Replaces the packet from its network header on; empty leaves it.
  std::string_view payload = {};
};

// Tells the kernel what becomes of the packets of one queue, those of a turn in one system call,
// and counts each: once told, a packet is settled. What was released before its verdict (mode
// shadow) is only counted. Owned by the queue's pipeline; one thread.
class PacketAnswers final {
 public:
  // `queue` is not owned.
  PacketAnswers(const AnswerOptions& options, PacketQueue* queue);

  void SetMode(v1::Mode mode) { mode_ = mode; }

  // To be remembered as `slot` says, 0 for not; of verdicts in mode on only.
  void Accept(const PendingPacket& packet, v1::Cause cause, const PacketChange& change = {},
              uint32_t slot = 0);
  void Drop(const PendingPacket& packet, v1::Cause cause);
  // By verdict, and the sender is told where we have the rules for it. `slot` as above; one that is
  // not 0 says also what is told.
  void Refuse(const PendingPacket& packet, v1::Notify notify, uint32_t slot = 0);
  // Not beyond kMostRepeats.
  void Repeat(const PendingPacket& packet, const PacketChange& change);
  void Requeue(const PendingPacket& packet, uint16_t queue, const PacketChange& change);
  // What becomes of a packet without a verdict; returns it.
  Passed GiveFallback(const PendingPacket& packet, v1::Cause cause);

  // Mode shadow: lets the packet go before its verdict is known. Nothing is counted yet.
  void Release(PendingPacket& packet);

  // Hands all that to the kernel. Sends early when the buffer is full.
  void Flush();
  // The kernel would not take some verdicts. It still holds those packets, counted `send_failed`
  // and dropped; closing the queue makes that true.
  bool broken() const { return broken_; }

  // The kernel objects to what it was told of a packet: that is counted anew. Returns the packet's
  // transaction id, 0 if it had none; nothing if the objection is to no recent answer.
  std::optional<uint64_t> OnKernelError(uint32_t packet_id, int error);

  // The queue is one of the agent's.
  bool Ours(uint16_t queue) const {
    return queue >= options_.first_queue && queue - options_.first_queue < options_.queue_count;
  }

  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

 private:
  // What was told the kernel of a packet, should it object.
  struct Told {
    uint64_t transaction_id = 0;
    uint32_t packet_id = 0;
    uint8_t cause = v1::CAUSE_UNSPECIFIED;  // unspecified: not counted then
    Passed passed = Passed::kDropped;
  };

  void Send(const PendingPacket& packet, KernelVerdict verdict, uint32_t mark,
            const PacketChange& change, v1::Cause cause, Passed passed);
  // The mark a packet goes on with, but for bits of ours.
  uint32_t Changed(const PendingPacket& packet, const PacketChange& change = {}) const;
  uint32_t RepeatedMark(const PendingPacket& packet, const PacketChange& change) const;

  const AnswerOptions options_;
  PacketQueue* const queue_;  // Not owned.
  v1::Mode mode_ = v1::MODE_OFF;
  VerdictBuffer verdicts_;
  Counters counters_;
  std::vector<Told> told_;        // by packet id
  std::vector<uint32_t> unsent_;  // packet ids in verdicts_
  bool broken_ = false;
};

}  // namespace sluice::agent
