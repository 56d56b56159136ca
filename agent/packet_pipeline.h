#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/arrival_clock.h"
#include "agent/counters.h"
#include "agent/decision_client.h"
#include "agent/event_sink.h"
#include "agent/fallback.h"
#include "agent/hold_time.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/packet_queue.h"
#include "agent/packet_outbox.h"
#include "agent/pending_table.h"

namespace sluice::agent {

struct PipelineOptions {
  uint16_t queue = 0;
  // Top byte of this queue's transaction ids, and how many queues the agent has.
  uint8_t index = 0;
  int queue_count = 1;
  int64_t deadline_ns = 50'000'000;
  size_t max_pending = 8192;
  CopyRange copy_range;
  bool fail_open = false;
  // Packet-mark bits of ours (mark_bits.h): deciders neither see nor set them. 0: we have none, as
  // the rules are the operator's (hook.manage: false), and cannot notify.
  uint32_t mark_mask = 0;
};

// Where packets, verdicts and deadlines of one queue meet: every packet the kernel hands over is
// answered here exactly once, by its verdict or by the fallback, and counted. Owned by the queue's
// loop; its thread makes every call. Bounded by max_pending.
class PacketPipeline final : public QueueMessages, public DecisionListener {
 public:
  // Nothing is owned. `events` is told of packets settled without a verdict.
  PacketPipeline(const PipelineOptions& options, PacketQueue* queue, const Links* links,
                 EventSink* events);

  // A turn of the loop begins. What the turn reads arrived between the last DrainedAt and now.
  void BeginTurn(int64_t monotonic_ns, int64_t realtime_ns);
  // The kernel's queue was found empty in this turn.
  void Drained() { clock_.Drained(); }

  // QueueMessages: from the kernel.
  void OnPacket(const QueuedPacket& packet) override;
  void OnKernelError(uint32_t sequence, int error) override;
  void OnUnreadable() override;

  // DecisionListener: from the decider.
  absl::Status OnWelcome(uint32_t stream, const v1::Wishes& wishes) override;
  absl::Status OnRetune(const v1::Wishes& wishes) override;
  void OnVerdicts(uint32_t stream, const v1::VerdictBatch& batch) override;
  void OnLost() override;
  bool TakeErrors(v1::VerdictErrors& errors) override;

  // Gives what is past its deadline the fallback.
  void ExpireDeadlines();
  // Deadline of the next packet that would expire, if any.
  std::optional<int64_t> NextDeadline() const { return pending_.NextDeadline(); }

  // Off: what is pending is accepted, and so is what still comes.
  void SetMode(v1::Mode mode);
  // The agent is going: what is pending gets the fallback.
  void SettleAll();

  // Hands the verdicts of this turn to the kernel.
  void Flush();

  // Packets for the decider; see PacketOutbox.
  v1::PacketBatch* NextBatch(int64_t travel_ns);
  void BatchSent() { outbox_.Pop(); }

  void FillStats(v1::QueueStats& stats) const;
  // Packets the kernel numbered but could not deliver, by the gaps in its numbers.
  uint64_t missed() const { return missed_; }

 private:
  // What was told the kernel of a packet, should it object.
  struct Told {
    uint32_t packet_id = 0;
    uint8_t cause = v1::CAUSE_UNSPECIFIED;
    Passed passed = Passed::kDropped;
  };

  absl::Status SetWishes(const v1::Wishes& wishes);
  void Apply(const v1::Verdict& verdict, uint32_t stream);
  void ApplyOrder(uint64_t transaction_id, uint32_t stream);
  // Each answers the kernel and counts. `mark` is the packet's own; an accepted packet gets `set`
  // where `mask` has ones.
  void Accept(uint32_t packet_id, uint32_t mark, v1::Cause cause, uint32_t set = 0,
              uint32_t mask = 0);
  void Drop(uint32_t packet_id, v1::Cause cause);
  void Refuse(uint32_t packet_id, uint32_t mark, v1::Notify notify);
  void Answer(uint32_t packet_id, KernelVerdict verdict, std::optional<uint32_t> mark,
              v1::Cause cause, Passed passed);
  void GiveFallback(const PendingPacket& packet, v1::Cause cause);
  void Notice(const PendingPacket& packet, v1::Cause cause, Passed passed);
  void CountAbsent(PendingTable::Absent absent, uint64_t transaction_id);
  void AddError(uint64_t transaction_id, v1::VerdictError error, std::string_view text);
  bool Asked(v1::Family family) const;

  const PipelineOptions options_;
  PacketQueue* const queue_;  // Not owned.
  EventSink* const events_;   // Not owned; may be null.
  PendingTable pending_;
  PacketOutbox outbox_;
  VerdictBuffer verdicts_;
  Counters counters_;
  HoldTimes hold_times_;
  ArrivalClock clock_;

  v1::Mode mode_ = v1::MODE_OFF;
  uint32_t stream_ = 0;  // 0: no decider is connected
  CopyRange copy_range_;
  bool ask_ipv4_ = true;
  bool ask_ipv6_ = true;
  bool strict_ = false;

  uint32_t last_packet_id_ = 0;
  uint64_t missed_ = 0;
  std::vector<Told> told_;        // by packet id
  std::vector<uint32_t> unsent_;  // packet ids in verdicts_
  v1::VerdictErrors errors_;
  int64_t notice_second_ns_ = 0;
  int notices_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace sluice::agent
