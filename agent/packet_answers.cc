#include "agent/packet_answers.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "agent/fallback.h"
#include "agent/notifications.h"

namespace sluice::agent {
namespace {

// A refusal is read behind at most what the kernel had queued for us when the verdict was sent.
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

void PacketAnswers::Accept(const PendingPacket& packet, v1::Cause cause, const PacketChange& change,
                           uint32_t slot) {
  uint32_t mark = Changed(packet, change);
  // In mode off our rules are gone: nothing would clear our bits on the way out.
  if (mode_ != v1::MODE_OFF) mark |= AcceptMark(options_.mark_mask, slot);
  Send(packet, KernelVerdict::kAccept, mark, change, cause, Passed::kAccepted);
}

void PacketAnswers::Drop(const PendingPacket& packet, v1::Cause cause) {
  if (packet.released || mode_ == v1::MODE_SHADOW) {
    ++counters_.shadow_refused;
    return Accept(packet, cause);
  }
  Send(packet, KernelVerdict::kDrop, packet.mark, {}, cause, Passed::kDropped);
}

void PacketAnswers::Refuse(const PendingPacket& packet, v1::Notify notify, uint32_t slot) {
  const Notification notification = NotificationOf(notify);
  if (options_.mark_mask == 0 || (slot == 0 && notification == Notification::kNone) ||
      packet.released || mode_ == v1::MODE_SHADOW) {
    if (options_.mark_mask == 0 && notification != Notification::kNone) ++counters_.unnotified;
    return Drop(packet, v1::CAUSE_VERDICT);
  }
  // The queue lets it go on to the guard, which refuses it as the mark says, and as undecided if it
  // cannot.
  const uint32_t code = slot != 0 ? slot : static_cast<uint32_t>(notification);
  Send(packet, KernelVerdict::kAccept, Changed(packet) | RefuseMark(options_.mark_mask, code), {},
       v1::CAUSE_VERDICT, Passed::kDropped);
}

void PacketAnswers::Repeat(const PendingPacket& packet, const PacketChange& change) {
  Send(packet, KernelVerdict::kRepeat, RepeatedMark(packet, change), change, v1::CAUSE_VERDICT,
       Passed::kRepeated);
}

void PacketAnswers::Requeue(const PendingPacket& packet, uint16_t queue,
                            const PacketChange& change) {
  // Another program's verdict counts as the decider's: the guard must let it stand.
  const uint32_t mark = Ours(queue) ? RepeatedMark(packet, change)
                                    : Changed(packet, change) | AcceptMark(options_.mark_mask, 0);
  Send(packet, ToQueue(queue, options_.fail_open), mark, change, v1::CAUSE_VERDICT,
       Passed::kRequeued);
}

Passed PacketAnswers::GiveFallback(const PendingPacket& packet, v1::Cause cause) {
  if (Fallback(cause, options_.fail_open) == Passed::kAccepted) {
    Accept(packet, cause);
    return Passed::kAccepted;
  }
  Drop(packet, cause);
  return packet.released || mode_ == v1::MODE_SHADOW ? Passed::kAccepted : Passed::kDropped;
}

void PacketAnswers::Release(PendingPacket& packet) {
  if (packet.released) return;
  Send(packet, KernelVerdict::kAccept, Changed(packet) | AcceptMark(options_.mark_mask, 0), {},
       v1::CAUSE_UNSPECIFIED, Passed::kAccepted);
  packet.released = true;
}

void PacketAnswers::Send(const PendingPacket& packet, KernelVerdict verdict, uint32_t mark,
                         const PacketChange& change, v1::Cause cause, Passed passed) {
  if (packet.released) {
    // It has gone its way; of what the verdict asks for only the decision counts.
    counters_.Settle(cause, Passed::kAccepted);
    return;
  }
  const auto payload =
      std::span(reinterpret_cast<const uint8_t*>(change.payload.data()), change.payload.size());
  verdicts_.Add(packet.packet_id, verdict,
                mark == packet.mark ? std::nullopt : std::optional<uint32_t>(mark), payload);
  unsent_.push_back(packet.packet_id);
  if (cause != v1::CAUSE_UNSPECIFIED) counters_.Settle(cause, passed);
  told_[packet.packet_id % kToldSize] = {packet.transaction_id, packet.packet_id,
                                         static_cast<uint8_t>(cause), passed};
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
    // ENOENT: the kernel gave the packet up first, as its device went down for one.
    counters_.Resettle(static_cast<v1::Cause>(told.cause), told.passed,
                       error == ENOENT ? v1::CAUSE_FLUSHED : v1::CAUSE_SEND_FAILED);
  }
  return told.transaction_id;
}

}  // namespace sluice::agent
