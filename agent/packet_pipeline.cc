#include "agent/packet_pipeline.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

// EtherTypes (linux/if_ether.h).
constexpr uint16_t kEtherIpV4 = 0x0800;
constexpr uint16_t kEtherIpV6 = 0x86dd;

// A refusal is read behind at most what the kernel had queued for us when the verdict was sent.
constexpr size_t kToldSize = 65536;
// decision.proto, VerdictErrors.
constexpr int kErrorsAtMost = 16;
// event.proto, PacketNotice.
constexpr int kNoticesASecond = 100;
constexpr int64_t kSecond = 1'000'000'000;

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

Notification NotificationOf(v1::Notify notify) {
  switch (notify) {
    case v1::NOTIFY_HOST_UNREACHABLE:
      return Notification::kHostUnreachable;
    case v1::NOTIFY_ADMIN_PROHIBITED:
      return Notification::kAdminProhibited;
    case v1::NOTIFY_PORT_UNREACHABLE:
      return Notification::kPortUnreachable;
    case v1::NOTIFY_TCP_RESET:
      return Notification::kTcpReset;
    default:
      return Notification::kNone;
  }
}

}  // namespace

PacketPipeline::PacketPipeline(const PipelineOptions& options, PacketQueue* queue,
                               const Links* links, EventSink* events)
    : options_(options),
      queue_(queue),
      events_(events),
      pending_(options.index, options.max_pending),
      outbox_(links),
      verdicts_(options.queue),
      copy_range_(options.copy_range),
      told_(kToldSize) {}

void PacketPipeline::BeginTurn(int64_t monotonic_ns, int64_t realtime_ns) {
  clock_.BeginTurn(monotonic_ns, realtime_ns);
}

void PacketPipeline::OnPacket(const QueuedPacket& queued) {
  counters_.Received();
  missed_ += static_cast<uint32_t>(queued.packet_id - last_packet_id_ - 1);
  last_packet_id_ = queued.packet_id;

  PendingPacket packet;
  packet.packet_id = queued.packet_id;
  packet.mark = queued.mark;
  packet.stream = stream_;
  packet.input_ifindex = queued.input_ifindex;
  packet.output_ifindex = queued.output_ifindex;
  packet.arrival_ns = clock_.Arrival(queued.timestamp_ns);
  packet.deadline_ns = packet.arrival_ns + options_.deadline_ns;
  packet.headers.family = FamilyOf(queued.hw_protocol);

  if (mode_ == v1::MODE_OFF) return GiveFallback(packet, v1::CAUSE_MODE_OFF);
  if (queued.has_payload || packet.headers.family == v1::FAMILY_UNSPECIFIED) {
    if (ParseHeaders(packet.headers.family, queued.payload, queued.original_length,
                     packet.headers) == Parsed::kMalformed) {
      return GiveFallback(packet, v1::CAUSE_MALFORMED);
    }
  }
  if (stream_ == 0) return GiveFallback(packet, v1::CAUSE_NO_DECIDER);
  if (!Asked(packet.headers.family)) return GiveFallback(packet, v1::CAUSE_FAMILY_UNASKED);
  if (packet.deadline_ns <= clock_.monotonic_ns()) return GiveFallback(packet, v1::CAUSE_STALE);
  if (pending_.Full()) return GiveFallback(packet, v1::CAUSE_TABLE_FULL);

  const int64_t arrival_realtime_ns = queued.timestamp_ns.value_or(clock_.realtime_ns());
  PendingPacket shown;
  shown.arrival_ns = packet.arrival_ns;
  shown.deadline_ns = packet.deadline_ns;
  shown.headers = packet.headers;
  shown.transaction_id = pending_.Insert(std::move(packet));
  outbox_.Add(queued, shown, queued.mark & ~options_.mark_mask, arrival_realtime_ns,
              queued.timestamp_ns.has_value());
}

bool PacketPipeline::Asked(v1::Family family) const {
  return family == v1::FAMILY_IPV4 ? ask_ipv4_ : ask_ipv6_;
}

void PacketPipeline::Accept(uint32_t packet_id, uint32_t mark, v1::Cause cause, uint32_t set,
                            uint32_t mask) {
  mask &= ~options_.mark_mask;
  uint32_t wanted = (mark & ~mask) | (set & mask);
  // With the mode off our rules are gone: nothing would clear our bit on the way out.
  if (mode_ != v1::MODE_OFF) wanted |= DecidedBit(options_.mark_mask);
  Answer(packet_id, KernelVerdict::kAccept,
         wanted == mark ? std::nullopt : std::optional<uint32_t>(wanted), cause, Passed::kAccepted);
}

void PacketPipeline::Drop(uint32_t packet_id, v1::Cause cause) {
  Answer(packet_id, KernelVerdict::kDrop, std::nullopt, cause, Passed::kDropped);
}

void PacketPipeline::Refuse(uint32_t packet_id, uint32_t mark, v1::Notify notify) {
  const Notification notification = NotificationOf(notify);
  if (options_.mark_mask == 0 || notification == Notification::kNone) {
    return Drop(packet_id, v1::CAUSE_VERDICT);
  }
  // The queue lets it go on to the chain that rejects it, undecided: so the guard would have it
  // if that chain had not.
  Answer(packet_id, KernelVerdict::kAccept, mark | NotifyMark(options_.mark_mask, notification),
         v1::CAUSE_VERDICT, Passed::kDropped);
}

void PacketPipeline::Answer(uint32_t packet_id, KernelVerdict verdict, std::optional<uint32_t> mark,
                            v1::Cause cause, Passed passed) {
  verdicts_.Add(packet_id, verdict, mark);
  unsent_.push_back(packet_id);
  counters_.Settle(cause, passed);
  told_[packet_id % kToldSize] = {packet_id, static_cast<uint8_t>(cause), passed};
  if (verdicts_.full()) Flush();
}

void PacketPipeline::GiveFallback(const PendingPacket& packet, v1::Cause cause) {
  const Passed passed = Fallback(cause, options_.fail_open);
  if (passed == Passed::kAccepted) {
    Accept(packet.packet_id, packet.mark, cause);
  } else {
    Drop(packet.packet_id, cause);
  }
  if (cause != v1::CAUSE_MODE_OFF) Notice(packet, cause, passed);
}

void PacketPipeline::Notice(const PendingPacket& packet, v1::Cause cause, Passed passed) {
  if (events_ == nullptr) return;
  if (clock_.monotonic_ns() - notice_second_ns_ >= kSecond) {
    notice_second_ns_ = clock_.monotonic_ns();
    notices_ = 0;
  }
  if (notices_ == kNoticesASecond) {
    ++suppressed_;
    return;
  }
  ++notices_;
  v1::Event event;
  event.mutable_time()->set_seconds(clock_.realtime_ns() / kSecond);
  event.mutable_time()->set_nanos(static_cast<int32_t>(clock_.realtime_ns() % kSecond));
  v1::PacketNotice& notice = *event.mutable_packet();
  FillHeaders(packet.headers, *notice.mutable_headers());
  notice.set_family(packet.headers.family);
  notice.set_cause(cause);
  notice.set_action(passed == Passed::kAccepted ? v1::ACTION_ACCEPT : v1::ACTION_DROP);
  notice.set_input_interface(std::string(outbox_.LinkName(packet.input_ifindex)));
  notice.set_output_interface(std::string(outbox_.LinkName(packet.output_ifindex)));
  notice.set_waited_us(static_cast<uint64_t>(clock_.monotonic_ns() - packet.arrival_ns) / 1000);
  notice.set_queue(options_.queue);
  notice.set_transaction_id(packet.transaction_id);
  notice.set_suppressed(std::exchange(suppressed_, 0));
  events_->Post(std::move(event));
}

void PacketPipeline::OnKernelError(uint32_t sequence, int error) {
  if (sequence == kConfigSequence) {
    spdlog::error("queue {}: the kernel refused a setting: {}", options_.queue,
                  std::strerror(error));
    return;
  }
  Told& told = told_[sequence % kToldSize];
  if (told.packet_id != sequence) return;
  // ENOENT: the kernel gave the packet up first, as its device went down for one.
  const v1::Cause cause = error == ENOENT ? v1::CAUSE_FLUSHED : v1::CAUSE_SEND_FAILED;
  counters_.Resettle(static_cast<v1::Cause>(told.cause), told.passed, cause);
  told.packet_id = 0;
}

void PacketPipeline::OnUnreadable() {
  // It named no packet, so there is none to answer or to count. No kernel has sent one yet.
  spdlog::error("queue {}: unreadable netlink message", options_.queue);
}

absl::Status PacketPipeline::SetWishes(const v1::Wishes& wishes) {
  if (wishes.rewrite()) return absl::UnimplementedError("rewriting payload");
  if (wishes.copy_range() > kLargestCopyRange) {
    return absl::InvalidArgumentError(absl::StrCat("a copy range of ", wishes.copy_range(),
                                                   " bytes; at most ", kLargestCopyRange));
  }
  CopyRange range = options_.copy_range;
  switch (wishes.copy_mode()) {
    case v1::COPY_MODE_UNSPECIFIED:
    case v1::COPY_MODE_PACKET:
      if (wishes.copy_range() != 0) range = {.meta = false, .bytes = wishes.copy_range()};
      break;
    case v1::COPY_MODE_META:
      range = {.meta = true, .bytes = 0};
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("copy mode ", v1::CopyMode_Name(wishes.copy_mode()),
                       ": only COPY_MODE_META and COPY_MODE_PACKET let packets be decided"));
  }
  bool ipv4 = wishes.families().empty();
  bool ipv6 = wishes.families().empty();
  for (const int family : wishes.families()) {
    ipv4 |= family == v1::FAMILY_IPV4 || family == v1::FAMILY_UNSPECIFIED;
    ipv6 |= family == v1::FAMILY_IPV6 || family == v1::FAMILY_UNSPECIFIED;
  }
  if (range != copy_range_) {
    if (absl::Status status = queue_->SetCopyRange(range); !status.ok()) return status;
    copy_range_ = range;
  }
  ask_ipv4_ = ipv4;
  ask_ipv6_ = ipv6;
  strict_ = wishes.ordering() == v1::ORDERING_STRICT;
  return absl::OkStatus();
}

absl::Status PacketPipeline::OnWelcome(uint32_t stream, const v1::Wishes& wishes) {
  if (absl::Status status = SetWishes(wishes); !status.ok()) return status;
  stream_ = stream;
  return absl::OkStatus();
}

absl::Status PacketPipeline::OnRetune(const v1::Wishes& wishes) { return SetWishes(wishes); }

void PacketPipeline::OnVerdicts(uint32_t stream, const v1::VerdictBatch& batch) {
  for (const v1::Verdict& verdict : batch.verdicts()) Apply(verdict, stream);
}

void PacketPipeline::Apply(const v1::Verdict& verdict, uint32_t stream) {
  auto taken = pending_.Take(verdict.transaction_id(), stream);
  if (!taken.packet) return CountAbsent(taken.absent, verdict.transaction_id());
  const PendingPacket& packet = *taken.packet;
  if (strict_) ApplyOrder(packet.transaction_id, stream);
  hold_times_.Add(clock_.monotonic_ns() - packet.arrival_ns);
  if (verdict.has_payload()) {
    AddError(packet.transaction_id, v1::VERDICT_ERROR_INVALID,
             "payload: this agent does not rewrite packets");
    return GiveFallback(packet, v1::CAUSE_INVALID_VERDICT);
  }
  switch (verdict.action()) {
    case v1::ACTION_ACCEPT:
      return Accept(packet.packet_id, packet.mark, v1::CAUSE_VERDICT, verdict.mark(),
                    verdict.mark_mask());
    case v1::ACTION_UNSPECIFIED:
    case v1::ACTION_DROP:
      return Refuse(packet.packet_id, packet.mark, verdict.notify());
    default:
      AddError(packet.transaction_id, v1::VERDICT_ERROR_INVALID,
               absl::StrCat("action ", static_cast<int>(verdict.action()),
                            ": not among the capabilities of the hello"));
      return GiveFallback(packet, v1::CAUSE_INVALID_VERDICT);
  }
}

void PacketPipeline::ApplyOrder(uint64_t transaction_id, uint32_t stream) {
  while (const auto older = pending_.TakeOlder(transaction_id, stream)) {
    GiveFallback(*older, v1::CAUSE_BADSYNC);
  }
}

void PacketPipeline::CountAbsent(PendingTable::Absent absent, uint64_t transaction_id) {
  switch (absent) {
    case PendingTable::Absent::kLate:
      ++counters_.late;
      return AddError(transaction_id, v1::VERDICT_ERROR_LATE, "it had got the fallback");
    case PendingTable::Absent::kDuplicate:
      ++counters_.duplicate;
      return AddError(transaction_id, v1::VERDICT_ERROR_DUPLICATE, "it had been answered");
    case PendingTable::Absent::kUnknown:
      // The top byte is the queue's: another queue of ours has a stream of its own.
      if (const uint64_t index = transaction_id >> 56;
          index == options_.index || index >= static_cast<uint64_t>(options_.queue_count)) {
        ++counters_.unknown;
        return AddError(transaction_id, v1::VERDICT_ERROR_UNKNOWN, "no packet had this id");
      }
      [[fallthrough]];
    case PendingTable::Absent::kWrongOwner:
      ++counters_.wrong_owner;
      return AddError(transaction_id, v1::VERDICT_ERROR_WRONG_OWNER,
                      "it belongs to another stream");
  }
}

void PacketPipeline::AddError(uint64_t transaction_id, v1::VerdictError error,
                              std::string_view text) {
  if (errors_.entries_size() == kErrorsAtMost) {
    errors_.set_suppressed(errors_.suppressed() + 1);
    return;
  }
  v1::VerdictErrors::Entry& entry = *errors_.add_entries();
  entry.set_transaction_id(transaction_id);
  entry.set_error(error);
  entry.set_text(text.data(), text.size());
}

bool PacketPipeline::TakeErrors(v1::VerdictErrors& errors) {
  if (errors_.entries_size() == 0) return false;
  errors.Swap(&errors_);
  errors_.Clear();
  return true;
}

void PacketPipeline::OnLost() {
  stream_ = 0;
  errors_.Clear();
  outbox_.Clear();
  while (const auto packet = pending_.TakeOldest()) GiveFallback(*packet, v1::CAUSE_NO_DECIDER);
}

void PacketPipeline::ExpireDeadlines() {
  while (const auto packet = pending_.TakeExpired(clock_.monotonic_ns())) {
    GiveFallback(*packet, v1::CAUSE_STALE);
  }
}

void PacketPipeline::SetMode(v1::Mode mode) {
  mode_ = mode;
  if (mode != v1::MODE_OFF) return;
  outbox_.Clear();
  while (const auto packet = pending_.TakeOldest()) GiveFallback(*packet, v1::CAUSE_MODE_OFF);
}

void PacketPipeline::SettleAll() {
  outbox_.Clear();
  while (const auto packet = pending_.TakeOldest()) GiveFallback(*packet, v1::CAUSE_NO_DECIDER);
  Flush();
}

void PacketPipeline::Flush() {
  if (verdicts_.empty()) return;
  if (const absl::Status status = queue_->Send(verdicts_); !status.ok()) {
    spdlog::error("{} packets: {}", unsent_.size(), std::string(status.message()));
    for (const uint32_t packet_id : unsent_) OnKernelError(packet_id, EIO);
  }
  verdicts_.Clear();
  unsent_.clear();
}

v1::PacketBatch* PacketPipeline::NextBatch(int64_t travel_ns) {
  return outbox_.Next(clock_.monotonic_ns(), travel_ns, pending_);
}

void PacketPipeline::FillStats(v1::QueueStats& stats) const {
  stats.set_queue(options_.queue);
  counters_.Fill(stats);
  stats.set_pending(pending_.size());
  stats.set_pending_peak(pending_.peak());
  hold_times_.Fill(*stats.mutable_hold_time());
}

}  // namespace sluice::agent
