#include "agent/packets/packet_pipeline.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/streams/durations.h"

namespace sluice::agent {
namespace {

// EtherTypes (linux/if_ether.h).
constexpr uint16_t kEtherIpV4 = 0x0800;
constexpr uint16_t kEtherIpV6 = 0x86dd;

// Up to this many pending packets keep their messages unpacked (about 1 KiB each), which saves the
// time to pack them. When more wait for a slow decider, or on hold, messages are packed.
constexpr size_t kUnpacked = 1024;
// decision.proto, DecideWelcome.policy_token and policy_label.
constexpr size_t kLongestPolicyName = 256;
constexpr uint32_t kHighestQueue = 65535;

v1::Family FamilyOf(uint16_t hw_protocol) {
  switch (hw_protocol) {
    case kEtherIpV4:
      return v1::FAMILY_IPV4;
    case kEtherIpV6:
      return v1::FAMILY_IPV6;
    default:
      return v1::FAMILY_UNSPECIFIED;
  }
}

// Of a DecideWelcome or a Retune.
template <typename Message>
absl::Status CheckPolicyName(const Message& message) {
  const size_t longest = std::max(message.policy_token().size(), message.policy_label().size());
  if (longest <= kLongestPolicyName) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a policy_token or policy_label of ", longest,
                                                 " bytes, more than ", kLongestPolicyName));
}

AnswerOptions AnswerOptionsOf(const PipelineOptions& options) {
  return {.queue = options.queue,
          .first_queue = static_cast<uint16_t>(options.queue - options.index),
          .queue_count = static_cast<uint16_t>(options.queue_count),
          .fail_open = options.fail_open,
          .mark_mask = options.mark_mask};
}

}  // namespace

PacketPipeline::PacketPipeline(const PipelineOptions& options, PacketQueue* queue,
                               const Links* links, EventSink* events)
    : options_(options),
      packet_options_(
          {.copy_range = options.copy_range, .gso = options.gso, .fail_open = options.fail_open},
          queue),
      messages_(links, options.groups),
      packet_events_(options.queue, events),
      pending_(options.index, options.max_pending, options.max_pending_bytes),
      answers_(AnswerOptionsOf(options), queue),
      slots_(options.memory) {}

void PacketPipeline::BeginTurn(int64_t monotonic_ns, int64_t realtime_ns) {
  clock_.BeginTurn(monotonic_ns, realtime_ns);
}

PendingPacket PacketPipeline::Begin(const QueuedPacket& queued) {
  PendingPacket packet;
  packet.packet_id = queued.packet_id;
  packet.mark = queued.mark;
  packet.stream = stream_;
  packet.view = slots_.view();
  packet.arrival_ns = clock_.Arrival(queued.timestamp_ns);
  packet.deadline_ns = packet.arrival_ns + options_.deadline_ns;
  const auto shown =
      static_cast<uint32_t>(std::min<size_t>(queued.payload.size(), packet_options_.shown_bytes()));
  packet.bytes = shown;
  packet.input_ifindex = queued.input_ifindex;
  packet.output_ifindex = queued.output_ifindex;
  // Whole as the decider sees it: it may not replace bytes that it was not shown.
  packet.whole = queued.has_payload && shown == queued.original_length &&
                 (queued.skb_info & (kSkbGso | kSkbChecksumNotReady)) == 0;
  packet.family = FamilyOf(queued.hw_protocol);
  packet.right = AnswerRight::OfReceived();
  return packet;
}

void PacketPipeline::OnPacket(const QueuedPacket& queued) {
  answers_.counters().Received();
  missed_ += static_cast<uint32_t>(queued.packet_id - last_packet_id_ - 1);
  last_packet_id_ = queued.packet_id;

  PendingPacket packet = Begin(queued);
  PacketHeaders headers;
  headers.family = packet.family;
  if (const v1::Cause cause = WhyNotAsk(queued, packet, headers); cause != v1::CAUSE_UNSPECIFIED) {
    const Disposition disposition = answers_.GiveFallback(packet, cause);
    if (!Noted(cause)) return;
    packet.message = Make(queued, headers);
    return Note(std::move(packet), cause, disposition);
  }
  if (mode_ == v1::MODE_SHADOW) answers_.Release(packet);
  packet.message = Make(queued, headers);
  const uint64_t transaction_id = pending_.Insert(std::move(packet));
  if (stream_ != 0) outbox_.Add(transaction_id);
}

v1::Cause PacketPipeline::WhyNotAsk(const QueuedPacket& queued, const PendingPacket& packet,
                                    PacketHeaders& headers) const {
  if (mode_ == v1::MODE_OFF) return v1::CAUSE_MODE_OFF;
  if (queued.has_payload || packet.family == v1::FAMILY_UNSPECIFIED) {
    if (ParseHeaders(packet.family, queued.payload, queued.original_length, headers) ==
        Parsed::kMalformed) {
      return v1::CAUSE_MALFORMED;
    }
  }
  if (stream_ == 0 && !decider_expected_) return v1::CAUSE_NO_DECIDER;
  if (stream_ != 0 && !packet_options_.Asked(packet.family)) return v1::CAUSE_FAMILY_UNASKED;
  if (packet.deadline_ns <= clock_.monotonic_ns()) return v1::CAUSE_STALE;
  if (!pending_.HasRoom(packet.bytes)) return v1::CAUSE_TABLE_FULL;
  return v1::CAUSE_UNSPECIFIED;
}

std::unique_ptr<v1::Packet> PacketPipeline::Make(const QueuedPacket& queued,
                                                 const PacketHeaders& headers) {
  return messages_.Make(queued, headers, packet_options_.shown_bytes(), options_.mark_mask,
                        queued.timestamp_ns.value_or(clock_.realtime_ns()));
}

void PacketPipeline::GiveFallback(PendingPacket packet, v1::Cause cause) {
  const Disposition disposition = answers_.GiveFallback(packet, cause);
  if (Noted(cause)) {
    if (packet.message == nullptr) packet.message = packet.packed.Unpack();
    Note(std::move(packet), cause, disposition);
  } else {
    messages_.Recycle(std::move(packet.message));
  }
}

bool PacketPipeline::Noted(v1::Cause cause) {
  return cause != v1::CAUSE_MODE_OFF && packet_events_.Allow(clock_.monotonic_ns());
}

void PacketPipeline::Note(PendingPacket packet, v1::Cause cause, Disposition disposition) {
  packet_events_.Post(packet, cause, disposition, clock_.monotonic_ns(), clock_.realtime_ns());
  messages_.Recycle(std::move(packet.message));
}

void PacketPipeline::OnKernelError(uint32_t sequence, int error) {
  if (sequence == kConfigSequence) {
    spdlog::error("queue {}: the kernel refused a setting: {}", options_.queue,
                  std::strerror(error));
    return;
  }
  const auto transaction_id = answers_.OnKernelError(sequence, error);
  if (!transaction_id || *transaction_id == 0 || stream_ == 0) return;
  errors_.Add(*transaction_id, v1::VERDICT_ERROR_KERNEL, std::strerror(error), error);
}

void PacketPipeline::OnUnreadable() {
  // The message named no packet, so there is none to answer or to count. No kernel has sent one
  // yet.
  spdlog::error("queue {}: unreadable netlink message", options_.queue);
}

absl::Status PacketPipeline::OnWelcome(uint32_t stream, const v1::DecideWelcome& welcome) {
  if (absl::Status status = CheckPolicyName(welcome); !status.ok()) return status;
  if (absl::Status status = packet_options_.Set(welcome.packet_options()); !status.ok()) {
    return status;
  }
  slots_.SetPolicy(welcome.policy_token(), welcome.policy_label());
  stream_ = stream;
  unanswered_since_ns_ = 0;
  for (const uint64_t id : pending_.Ids()) {
    PendingPacket& packet = *pending_.Find(id);
    if (packet.stream != 0) ++answers_.counters().asked_again;
    packet.stream = stream;
    packet.view = slots_.view();
    if (packet_options_.Asked(packet.family)) {
      outbox_.Add(id);
    } else {
      GiveFallback(*pending_.Take(id, stream).packet, v1::CAUSE_FAMILY_UNASKED);
    }
  }
  return absl::OkStatus();
}

absl::Status PacketPipeline::OnRetune(const v1::Retune& retune) {
  if (absl::Status status = CheckPolicyName(retune); !status.ok()) return status;
  if (absl::Status status = packet_options_.Set(retune.packet_options()); !status.ok()) {
    return status;
  }
  slots_.SetPolicy(retune.policy_token(), retune.policy_label());
  return absl::OkStatus();
}

void PacketPipeline::OnVerdicts(uint32_t stream, const v1::VerdictBatch& batch) {
  for (const v1::Verdict& verdict : batch.verdicts()) Apply(verdict, stream);
}

void PacketPipeline::Apply(const v1::Verdict& verdict, uint32_t stream) {
  if (verdict.action() == v1::ACTION_HOLD) return Hold(verdict, stream);
  auto taken = pending_.Take(verdict.transaction_id(), stream);
  if (!taken.packet) return CountAbsent(taken.absent, verdict.transaction_id());
  PendingPacket& packet = *taken.packet;
  unanswered_since_ns_ = 0;
  if (packet_options_.strict()) ApplyOrder(packet.transaction_id, stream);
  hold_times_.Add(clock_.monotonic_ns() - packet.arrival_ns);
  if (const absl::Status done = CarryOut(packet, verdict); !done.ok()) {
    return Invalid(std::move(packet), done);
  }
  messages_.Recycle(std::move(packet.message));
}

absl::Status PacketPipeline::CarryOut(PendingPacket& packet, const v1::Verdict& verdict) {
  const auto kind = KindOf(verdict);
  if (!kind.ok()) return kind.status();
  const uint32_t slot = SlotFor(packet, *kind);
  if (verdict.action() == v1::ACTION_UNSPECIFIED || verdict.action() == v1::ACTION_DROP) {
    answers_.DropByVerdict(packet, verdict.notify(), slot);
    return absl::OkStatus();
  }
  return Forward(packet, verdict, slot);
}

uint32_t PacketPipeline::SlotFor(const PendingPacket& packet, std::optional<RememberedKind> kind) {
  if (!kind || mode_ != v1::MODE_ON || packet.released) return 0;
  if (kind->accept && kind->scope == RememberedScope::kConnection) {
    kind->devices = DevicePair::Of(packet.input_ifindex, packet.output_ifindex);
  }
  return slots_.SlotFor(*kind, packet.view);
}

void PacketPipeline::StopRemembering() {
  answers_.Flush();
  slots_.Stop();
}

absl::Status PacketPipeline::Forward(PendingPacket& packet, const v1::Verdict& verdict,
                                     uint32_t slot) {
  PacketChange change{.set = verdict.mark(), .mask = verdict.mark_mask()};
  if (verdict.has_payload()) {
    const auto payload = rewriter_.Rewritten(packet, verdict, packet_options_.rewrite());
    if (!payload.ok()) return payload.status();
    change.payload = *payload;
  }
  const bool repeats = verdict.action() == v1::ACTION_REPEAT;
  if (verdict.action() == v1::ACTION_ACCEPT) {
    answers_.Accept(packet, v1::CAUSE_VERDICT, change, slot);
    return absl::OkStatus();
  }
  if (!repeats && verdict.action() != v1::ACTION_REQUEUE) {
    return absl::InvalidArgumentError(absl::StrCat("action ", static_cast<int>(verdict.action()),
                                                   ": not among the capabilities of the hello"));
  }
  if (verdict.requeue_to() > kHighestQueue) {
    return absl::InvalidArgumentError(
        absl::StrCat("requeue_to: ", verdict.requeue_to(), "; numbers end at 65535"));
  }
  if ((repeats || answers_.Ours(static_cast<uint16_t>(verdict.requeue_to()))) &&
      options_.mark_mask == 0) {
    return absl::InvalidArgumentError(
        "repeats and requeues cannot be counted, and so not limited, where the rules are the "
        "operator's");
  }
  if (Repeats(options_.mark_mask, packet.mark) == kMostRepeats) {
    return absl::InvalidArgumentError(
        absl::StrCat("the packet has been repeated or requeued ", kMostRepeats, " times"));
  }
  if (repeats) {
    answers_.Repeat(packet, change);
  } else {
    answers_.Requeue(packet, static_cast<uint16_t>(verdict.requeue_to()), change);
  }
  return absl::OkStatus();
}

void PacketPipeline::Invalid(PendingPacket packet, const absl::Status& why) {
  const absl::string_view message = why.message();
  errors_.Add(packet.transaction_id, v1::VERDICT_ERROR_INVALID, {message.data(), message.size()});
  GiveFallback(std::move(packet), v1::CAUSE_INVALID_VERDICT);
}

void PacketPipeline::Hold(const v1::Verdict& verdict, uint32_t stream) {
  const int64_t more_ns = Nanoseconds(verdict.hold_for());
  absl::Status can = KindOf(verdict).status();
  if (more_ns <= 0) can = absl::InvalidArgumentError("hold_for: must be more than 0");
  if (options_.hold_limit_ns == 0) can = absl::InvalidArgumentError("this agent holds no packets");
  if (!can.ok()) {
    auto taken = pending_.Take(verdict.transaction_id(), stream);
    if (!taken.packet) return CountAbsent(taken.absent, verdict.transaction_id());
    return Invalid(*std::move(taken.packet), can);
  }
  const auto absent =
      pending_.Defer(verdict.transaction_id(), stream, more_ns, options_.hold_limit_ns);
  if (absent) return CountAbsent(*absent, verdict.transaction_id());
  ++answers_.counters().held;
  unanswered_since_ns_ = 0;
}

void PacketPipeline::ApplyOrder(uint64_t transaction_id, uint32_t stream) {
  while (auto older = pending_.TakeOlder(transaction_id, stream)) {
    GiveFallback(*std::move(older), v1::CAUSE_BADSYNC);
  }
}

void PacketPipeline::CountAbsent(PendingTable::Absent absent, uint64_t transaction_id) {
  Counters& counters = answers_.counters();
  switch (absent) {
    case PendingTable::Absent::kLate:
      ++counters.late;
      return errors_.Add(transaction_id, v1::VERDICT_ERROR_LATE, "it had got the fallback");
    case PendingTable::Absent::kDuplicate:
      ++counters.duplicate;
      return errors_.Add(transaction_id, v1::VERDICT_ERROR_DUPLICATE, "it had been answered");
    case PendingTable::Absent::kUnknown:
      // The top byte is the queue's index: another queue of ours has a stream of its own.
      if (const uint64_t index = transaction_id >> 56;
          index == options_.index || index >= static_cast<uint64_t>(options_.queue_count)) {
        ++counters.unknown;
        return errors_.Add(transaction_id, v1::VERDICT_ERROR_UNKNOWN, "no packet had this id");
      }
      [[fallthrough]];
    case PendingTable::Absent::kWrongOwner:
      ++counters.wrong_owner;
      return errors_.Add(transaction_id, v1::VERDICT_ERROR_WRONG_OWNER,
                         "it belongs to another stream");
  }
}

void PacketPipeline::BatchSent() {
  const bool pack = pending_.size() > kUnpacked;
  for (PendingPacket* const packet : outbox_.Sent()) {
    if (!pack) break;
    packet->packed = PackedMessage(*packet->message);
    messages_.Recycle(std::move(packet->message));
  }
}

void PacketPipeline::OnLost() {
  stream_ = 0;
  decider_expected_ = true;
  unanswered_since_ns_ = 0;
  errors_.Clear();
  outbox_.Clear();
}

void PacketPipeline::OnNobody() {
  decider_expected_ = false;
  while (auto packet = pending_.TakeAny()) {
    GiveFallback(*std::move(packet), v1::CAUSE_NO_DECIDER);
  }
}

void PacketPipeline::ExpireDeadlines() {
  while (auto packet = pending_.TakeExpired(clock_.monotonic_ns())) {
    last_stale_ns_ = clock_.monotonic_ns();
    if (stream_ != 0 && unanswered_since_ns_ == 0) unanswered_since_ns_ = last_stale_ns_;
    GiveFallback(*std::move(packet), stream_ == 0 ? v1::CAUSE_NO_DECIDER : v1::CAUSE_STALE);
  }
}

void PacketPipeline::EnterMode(v1::Mode mode) {
  mode_ = mode;
  answers_.EnterMode(mode);
  if (const absl::Status status = packet_options_.EnterMode(mode); !status.ok()) {
    spdlog::error("queue {}: {}", options_.queue, std::string(status.message()));
  }
  if (mode == v1::MODE_SHADOW) {
    for (const uint64_t id : pending_.Ids()) answers_.Release(*pending_.Find(id));
  }
  if (mode != v1::MODE_OFF) return;
  outbox_.Clear();
  while (auto packet = pending_.TakeAny()) GiveFallback(*std::move(packet), v1::CAUSE_MODE_OFF);
}

void PacketPipeline::SettleAll() {
  OnNobody();
  outbox_.Clear();
  Flush();
}

void PacketPipeline::FillStats(v1::QueueStats& stats) const {
  stats.set_queue(options_.queue);
  answers_.counters().Fill(stats);
  stats.set_pending(pending_.size());
  stats.set_pending_peak(pending_.peak());
  stats.set_pending_bytes(pending_.bytes());
  hold_times_.Fill(*stats.mutable_hold_time());
  stats.set_segmented(packet_options_.segmented());
}

}  // namespace sluice::agent
