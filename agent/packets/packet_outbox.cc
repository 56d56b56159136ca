#include "agent/packets/packet_outbox.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

namespace sluice::agent {
namespace {

// The most a batch holds (decision.proto). gRPC takes no message above 4 MiB unless it is told to.
// A decider answers a batch as a whole, so that one that is too large keeps its first packet
// waiting: at a tenth of a microsecond a decision, 1,024 packets take a tenth of a millisecond.
constexpr int kMaxPackets = 1024;
constexpr size_t kMaxBytes = 1024 * 1024;
// Bytes of a packet's message beside those copied from the packet: 56 as codec_bench measures them,
// and the names of interfaces and groups, a link header and a security context if there are any.
constexpr size_t kMessageOverhead = 160;

}  // namespace

v1::PacketBatch* PacketOutbox::Next(int64_t now_ns, int64_t travel_ns, PendingTable& pending) {
  sent_.clear();
  size_t bytes = 0;
  int64_t earliest_ns = INT64_MAX;
  for (; next_ < ids_.size() && batch_.packets_size() < kMaxPackets; ++next_) {
    PendingPacket* const packet = pending.Find(ids_[next_]);
    if (packet == nullptr || packet->deadline_ns <= now_ns + travel_ns) continue;
    bytes += packet->bytes + kMessageOverhead;
    if (bytes > kMaxBytes && batch_.packets_size() != 0) break;
    if (packet->message == nullptr) {
      packet->message = packet->packed.Unpack();
      packet->packed = PackedMessage();
    }
    packet->message->set_waited_us(static_cast<uint32_t>((now_ns - packet->arrival_ns) / 1000));
    batch_.mutable_packets()->UnsafeArenaAddAllocated(packet->message.get());
    sent_.push_back(packet);
    earliest_ns = std::min(earliest_ns, packet->deadline_ns);
  }
  if (next_ > ids_.size() / 2) {
    ids_.erase(ids_.begin(), ids_.begin() + static_cast<ptrdiff_t>(next_));
    next_ = 0;
  }
  if (batch_.packets_size() == 0) return nullptr;
  const int64_t left_ns = earliest_ns - now_ns - travel_ns;
  *batch_.mutable_time_left() = google::protobuf::util::TimeUtil::NanosecondsToDuration(left_ns);
  return &batch_;
}

const std::vector<PendingPacket*>& PacketOutbox::Sent() {
  lent_.resize(static_cast<size_t>(batch_.packets_size()));
  batch_.mutable_packets()->UnsafeArenaExtractSubrange(0, batch_.packets_size(), lent_.data());
  return sent_;
}

void PacketOutbox::Clear() {
  ids_.clear();
  next_ = 0;
}

}  // namespace sluice::agent
