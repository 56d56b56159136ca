#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/queue/packet_queue.h"
#include "agent/packets/counters.h"
#include "agent/packets/pending_table.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

struct AnswerOptions {
  uint16_t queue = 0;
  // The agent's queues, numbered without a gap.
  uint16_t first_queue = 0;
  uint16_t queue_count = 1;
  bool fail_open = false;
  // The agent's bits of the packet mark (mark_bits.h): deciders neither see nor set them. 0: it has
  // none, as the rules are the operator's (hook.manage: false).
  uint32_t mark_mask = 0;
};

// What a verdict changes in a packet that goes on.
struct PacketChange {
  // The bits of the mark that `mask` names become those of `set`; the agent's own are left alone.
  uint32_t set = 0;
  uint32_t mask = 0;
  // Replaces the packet from its network header on; empty: the packet stays as it is.
  std::string_view payload = {};
};

// Tells the kernel what becomes of the packets of one queue, and counts each: once the kernel is
// told, a packet is settled. The answers of a turn take one system call. A packet that was released
// before its verdict (mode shadow) is only counted. Owned by the queue's pipeline; one thread.
class PacketAnswers final {
 public:
  // `queue` is not owned.
  PacketAnswers(const AnswerOptions& options, PacketQueue* queue);

  void EnterMode(v1::Mode mode) { mode_ = mode; }

  // Each of these answers a packet and uses up its right.

  // The verdict is to be remembered as `slot` says, 0 not at all. Only verdicts in mode on have a
  // slot.
  void Accept(PendingPacket& packet, v1::Cause cause, const PacketChange& change = {},
              uint32_t slot = 0);
  void Drop(PendingPacket& packet, v1::Cause cause);
  // Drops the packet by verdict; the agent's rules, where it has any, send the notice to its
  // sender. `slot` as above; one that is not 0 also says which notice.
  void DropByVerdict(PendingPacket& packet, v1::Notify notify, uint32_t slot = 0);
  // The caller keeps to kMostRepeats.
  void Repeat(PendingPacket& packet, const PacketChange& change);
  void Requeue(PendingPacket& packet, uint16_t queue, const PacketChange& change);
  // Gives the packet the fallback; returns what was done with it.
  Disposition GiveFallback(PendingPacket& packet, v1::Cause cause);

  // Mode shadow: lets the packet go before its verdict is known. It is counted, and its right used
  // up, when the verdict comes.
  void Release(PendingPacket& packet);

  // Hands the answers to the kernel. This happens earlier when the buffer is full.
  void Flush();
  // The kernel did not take some verdicts. It still holds those packets; they are counted
  // `send_failed` and as dropped, which closing the queue makes true.
  bool broken() const { return broken_; }

  // The kernel objects to the answer to a packet, which is counted anew. Returns the packet's
  // transaction id, 0 if it had none; nothing if the objection is to no recent answer.
  std::optional<uint64_t> OnKernelError(uint32_t packet_id, int error);

  // The queue is one of the agent's.
  bool Ours(uint16_t queue) const {
    return queue >= options_.first_queue && queue - options_.first_queue < options_.queue_count;
  }

  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

 private:
  // What the kernel was told about a packet, in case it objects.
  struct Told {
    uint64_t transaction_id = 0;
    uint32_t packet_id = 0;
    uint8_t cause = v1::CAUSE_UNSPECIFIED;  // unspecified: was not counted
    Disposition disposition = Disposition::kDropped;
  };

  // Answers, and uses up the right.
  void Settle(PendingPacket& packet, KernelVerdict verdict, uint32_t mark,
              const PacketChange& change, v1::Cause cause, Disposition disposition);
  void Send(const PendingPacket& packet, KernelVerdict verdict, uint32_t mark,
            const PacketChange& change, v1::Cause cause, Disposition disposition);
  // The mark a packet goes on with, without the agent's bits.
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
