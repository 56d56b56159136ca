#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/netfilter/queue/packet_queue.h"
#include "agent/packets/arrival_clock.h"
#include "agent/packets/decider_options.h"
#include "agent/packets/hold_time.h"
#include "agent/packets/packet_answers.h"
#include "agent/packets/packet_events.h"
#include "agent/packets/packet_messages.h"
#include "agent/packets/packet_outbox.h"
#include "agent/packets/packet_rewriter.h"
#include "agent/packets/pending_table.h"
#include "agent/packets/remembered_slots.h"
#include "agent/packets/verdict_errors.h"
#include "agent/streams/decision_listener.h"
#include "agent/streams/event_sink.h"
#include "proto/headers/packet_headers.h"

namespace sluice::agent {

struct PipelineOptions {
  uint16_t queue = 0;
  // Top byte of this queue's transaction ids, and how many queues the agent has.
  uint8_t index = 0;
  int queue_count = 1;
  int64_t deadline_ns = 50'000'000;
  // The longest a packet may be held, from its arrival.
  int64_t hold_limit_ns = 5'000'000'000;
  size_t max_pending = 8192;
  size_t max_pending_bytes = 64 << 20;
  CopyRange copy_range;
  bool gso = true;
  bool fail_open = false;
  // The agent's bits of the packet mark (mark_bits.h): deciders neither see nor set them. 0: it has
  // none, as the rules are the operator's (hook.manage: false), and cannot send notices or repeat.
  uint32_t mark_mask = 0;
  // Is asked to remember verdicts. Not owned; null: none are remembered.
  VerdictMemory* memory = nullptr;
  // Trust groups of interfaces, told to deciders. Not owned; null: there are none.
  const InterfaceGroups* groups = nullptr;
};

// Where packets, verdicts and deadlines of one queue meet: every packet the kernel hands over is
// answered here exactly once, by its verdict or by the fallback, and counted. Owned by the queue's
// loop; its thread makes every call. Bounded by max_pending and max_pending_bytes.
class PacketPipeline final : public QueueMessages, public DecisionListener {
 public:
  // Nothing is owned. `events` is told of packets settled without a verdict.
  PacketPipeline(const PipelineOptions& options, PacketQueue* queue, const Links* links,
                 EventSink* events);

  // A turn of the loop begins. Packets read in it arrived since the last turn in which Drained was
  // called.
  void BeginTurn(int64_t monotonic_ns, int64_t realtime_ns);
  // The kernel's queue was found empty in this turn.
  void Drained() { clock_.Drained(); }

  // QueueMessages: from the kernel.
  void OnPacket(const QueuedPacket& queued) override;
  void OnKernelError(uint32_t sequence, int error) override;
  void OnUnreadable() override;

  // DecisionListener: from the decider.
  absl::Status OnWelcome(uint32_t stream, const v1::DecideWelcome& welcome) override;
  absl::Status OnRetune(const v1::Retune& retune) override;
  void OnVerdicts(uint32_t stream, const v1::VerdictBatch& batch) override;
  void OnLost() override;
  void OnNobody() override;
  bool TakeErrors(v1::VerdictErrors& errors) override { return errors_.Take(errors); }

  // Gives packets that are past their deadline the fallback.
  void ExpireDeadlines();
  size_t pending() const { return pending_.size(); }
  // The earliest deadline of a pending packet, if any.
  std::optional<int64_t> NextDeadline() const { return pending_.NextDeadline(); }
  // How long the connected decider has let packets go stale: from the first to the latest stale
  // packet since it last answered one in time.
  int64_t unanswered_ns() const {
    return unanswered_since_ns_ == 0 ? 0 : last_stale_ns_ - unanswered_since_ns_;
  }

  // See RememberedSlots. When StopRemembering returns, no verdict that is to be remembered is on
  // its way to the kernel any more.
  void StopRemembering();
  void StartRemembering(const Rememberable& rememberable) { slots_.Start(rememberable); }
  uint64_t unslotted() const { return slots_.unslotted(); }

  // Off: pending packets are accepted, and so are those that still come. Shadow: the same, but
  // verdicts are asked for and counted.
  void EnterMode(v1::Mode mode);
  // The agent is stopping: pending packets get the fallback.
  void SettleAll();

  // Hands the verdicts of this turn to the kernel.
  void Flush() { answers_.Flush(); }
  // The kernel did not take some of them: see PacketAnswers.
  bool broken() const { return answers_.broken(); }

  // Packets for the decider; see PacketOutbox.
  v1::PacketBatch* NextBatch(int64_t travel_ns) {
    return outbox_.Next(clock_.monotonic_ns(), travel_ns, pending_);
  }
  bool HasBatch() const { return !outbox_.empty(); }
  void BatchSent();

  void FillStats(v1::QueueStats& stats) const;
  // Packets that the kernel numbered but could not deliver, counted by the gaps in its numbers.
  uint64_t missed() const { return missed_; }

 private:
  PendingPacket Begin(const QueuedPacket& queued);
  void Apply(const v1::Verdict& verdict, uint32_t stream);
  void Hold(const v1::Verdict& verdict, uint32_t stream);
  // Carries out a verdict. INVALID_ARGUMENT: it cannot be carried out, and the packet is still to
  // be answered.
  absl::Status CarryOut(PendingPacket& packet, const v1::Verdict& verdict);
  // The same for a verdict that lets the packet go on.
  absl::Status Forward(PendingPacket& packet, const v1::Verdict& verdict, uint32_t slot);
  void Invalid(PendingPacket packet, const absl::Status& why);
  void ApplyOrder(uint64_t transaction_id, uint32_t stream);
  // Why a packet that has come gets the fallback at once; unspecified: it does not. Fills in
  // `headers`.
  v1::Cause WhyNotAsk(const QueuedPacket& queued, const PendingPacket& packet,
                      PacketHeaders& headers) const;
  std::unique_ptr<v1::Packet> Make(const QueuedPacket& queued, const PacketHeaders& headers);
  void GiveFallback(PendingPacket packet, v1::Cause cause);
  // Whether an event is to report a packet that got the fallback.
  bool Noted(v1::Cause cause);
  void Note(PendingPacket packet, v1::Cause cause, Disposition disposition);
  void CountAbsent(PendingTable::Absent absent, uint64_t transaction_id);
  // The slot under which the verdict is to be remembered; 0 if it is not.
  uint32_t SlotFor(const PendingPacket& packet, std::optional<RememberedKind> kind);

  const PipelineOptions options_;
  DeciderOptions packet_options_;
  PacketMessages messages_;
  PacketEvents packet_events_;
  PendingTable pending_;
  PacketOutbox outbox_;
  PacketAnswers answers_;
  PacketRewriter rewriter_;
  RememberedSlots slots_;
  VerdictErrorList errors_;
  HoldTimes hold_times_;
  ArrivalClock clock_;

  v1::Mode mode_ = v1::MODE_OFF;
  uint32_t stream_ = 0;  // 0: no decider is connected
  // No decider is connected, but one is being dialled and has not failed yet.
  bool decider_expected_ = true;
  int64_t unanswered_since_ns_ = 0;  // 0: answers come
  int64_t last_stale_ns_ = 0;

  uint32_t last_packet_id_ = 0;
  uint64_t missed_ = 0;
};

}  // namespace sluice::agent
