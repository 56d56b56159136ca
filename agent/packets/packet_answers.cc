#include "agent/packets/packet_answers.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "agent/packets/notices.h"

namespace sluice::agent {
namespace {

// How far back the kernel may object: its objection is read behind at most the packets that it had
// queued for us when the verdict was sent.
constexpr size_t kToldSize = 65536;

}  // namespace

PacketAnswers::PacketAnswers(const AnswerOptions& options, PacketQueue* queue)
    : options_(options), queue_(queue), verdicts_(options.queue), told_(kToldSize) {}

uint32_t PacketAnswers::Changed(const PendingPacket& packet, const PacketChange& change) const {
  return ((packet.mark & ~change.mask) | (change.set & change.mask)) & ~options_.mark_mask;
}

uint32_t PacketAnswers::RepeatedMark(const PendingPacket& packet,
                                     const PacketChange& change) const {
  return Changed(packet, change) |
         RepeatMark(options_.mark_mask, Repeats(options_.mark_mask, packet.mark) + 1);
}

void PacketAnswers::Accept(PendingPacket& packet, v1::Cause cause, const PacketChange& change,
                           uint32_t slot) {
  uint32_t mark = Changed(packet, change);
  // In mode off our rules are gone: nothing would clear our bits when the packet leaves.
  if (mode_ != v1::MODE_OFF) mark |= AcceptMark(options_.mark_mask, slot);
  Settle(packet, KernelVerdict::kAccept, mark, change, cause, Disposition::kAccepted);
}

void PacketAnswers::Drop(PendingPacket& packet, v1::Cause cause) {
  if (packet.released || mode_ == v1::MODE_SHADOW) {
    ++counters_.shadow_dropped;
    return Accept(packet, cause);
  }
  Settle(packet, KernelVerdict::kDrop, packet.mark, {}, cause, Disposition::kDropped);
}

void PacketAnswers::DropByVerdict(PendingPacket& packet, v1::Notify notify, uint32_t slot) {
  const Notice notice = NoticeOf(notify);
  if (options_.mark_mask == 0 || (slot == 0 && notice == Notice::kNone) || packet.released ||
      mode_ == v1::MODE_SHADOW) {
    if (options_.mark_mask == 0 && notice != Notice::kNone) ++counters_.unnotified;
    return Drop(packet, v1::CAUSE_VERDICT);
  }
  // The kernel lets the packet go on to the guard, which drops it as the mark says, or as undecided
  // if it cannot.
  const uint32_t code = slot != 0 ? slot : static_cast<uint32_t>(notice);
  Settle(packet, KernelVerdict::kAccept, Changed(packet) | DropMark(options_.mark_mask, code), {},
         v1::CAUSE_VERDICT, Disposition::kDropped);
}

void PacketAnswers::Repeat(PendingPacket& packet, const PacketChange& change) {
  Settle(packet, KernelVerdict::kRepeat, RepeatedMark(packet, change), change, v1::CAUSE_VERDICT,
         Disposition::kRepeated);
}

void PacketAnswers::Requeue(PendingPacket& packet, uint16_t queue, const PacketChange& change) {
  // Another program's verdict counts as the decider's: the guard must let it stand.
  const uint32_t mark = Ours(queue) ? RepeatedMark(packet, change)
                                    : Changed(packet, change) | AcceptMark(options_.mark_mask, 0);
  Settle(packet, ToQueue(queue, options_.fail_open), mark, change, v1::CAUSE_VERDICT,
         Disposition::kRequeued);
}

Disposition PacketAnswers::GiveFallback(PendingPacket& packet, v1::Cause cause) {
  if (Fallback(cause, options_.fail_open) == Disposition::kAccepted) {
    Accept(packet, cause);
    return Disposition::kAccepted;
  }
  Drop(packet, cause);
  return packet.released || mode_ == v1::MODE_SHADOW ? Disposition::kAccepted
                                                     : Disposition::kDropped;
}

void PacketAnswers::Release(PendingPacket& packet) {
  if (packet.released) return;
  Send(packet, KernelVerdict::kAccept, Changed(packet) | AcceptMark(options_.mark_mask, 0), {},
       v1::CAUSE_UNSPECIFIED, Disposition::kAccepted);
  packet.released = true;
}

void PacketAnswers::Settle(PendingPacket& packet, KernelVerdict verdict, uint32_t mark,
                           const PacketChange& change, v1::Cause cause, Disposition disposition) {
  packet.right.Use();
  if (packet.released) {
    // The packet is gone; only the decision counts of all that the verdict asks for.
    counters_.Settle(cause, Disposition::kAccepted);
    return;
  }
  counters_.Settle(cause, disposition);
  Send(packet, verdict, mark, change, cause, disposition);
}

void PacketAnswers::Send(const PendingPacket& packet, KernelVerdict verdict, uint32_t mark,
                         const PacketChange& change, v1::Cause cause, Disposition disposition) {
  const auto payload =
      std::span(reinterpret_cast<const uint8_t*>(change.payload.data()), change.payload.size());
  verdicts_.Add(packet.packet_id, verdict,
                mark == packet.mark ? std::nullopt : std::optional<uint32_t>(mark), payload);
  unsent_.push_back(packet.packet_id);
  told_[packet.packet_id % kToldSize] = {packet.transaction_id, packet.packet_id,
                                         static_cast<uint8_t>(cause), disposition};
  if (verdicts_.full()) Flush();
}

void PacketAnswers::Flush() {
  if (verdicts_.empty()) return;
  if (const absl::Status status = queue_->Send(verdicts_); !status.ok()) {
    spdlog::error("{} packets: {}", unsent_.size(), std::string(status.message()));
    for (const uint32_t packet_id : unsent_) OnKernelError(packet_id, EIO);
    broken_ = true;
  }
  verdicts_.Clear();
  unsent_.clear();
}

std::optional<uint64_t> PacketAnswers::OnKernelError(uint32_t packet_id, int error) {
  Told& told = told_[packet_id % kToldSize];
  if (told.packet_id != packet_id) return std::nullopt;
  told.packet_id = 0;
  if (told.cause != v1::CAUSE_UNSPECIFIED) {
    // ENOENT: the kernel dropped the packet first, for instance because its device went down.
    counters_.Resettle(static_cast<v1::Cause>(told.cause), told.disposition,
                       error == ENOENT ? v1::CAUSE_FLUSHED : v1::CAUSE_SEND_FAILED);
  }
  return told.transaction_id;
}

}  // namespace sluice::agent
