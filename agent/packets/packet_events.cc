#include "agent/packets/packet_events.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

namespace sluice::agent {
namespace {

// event.proto, PacketEvent.
constexpr int kMostASecond = 100;
constexpr int64_t kSecond = 1'000'000'000;

}  // namespace

bool PacketEvents::Allow(int64_t monotonic_ns) {
  if (events_ == nullptr) return false;
  if (monotonic_ns - second_ns_ >= kSecond) {
    second_ns_ = monotonic_ns;
    posted_ = 0;
  }
  if (posted_ == kMostASecond) {
    ++suppressed_;
    return false;
  }
  ++posted_;
  return true;
}

void PacketEvents::Post(const PendingPacket& packet, v1::Cause cause, Disposition disposition,
                        int64_t monotonic_ns, int64_t realtime_ns) {
  v1::Event event;
  *event.mutable_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(realtime_ns);
  v1::PacketEvent& packet_event = *event.mutable_packet();
  if (packet.message->has_headers()) *packet_event.mutable_headers() = packet.message->headers();
  packet_event.set_family(packet.family);
  packet_event.set_cause(cause);
  packet_event.set_action(disposition == Disposition::kAccepted ? v1::ACTION_ACCEPT
                                                                : v1::ACTION_DROP);
  packet_event.set_input_interface(packet.message->input_interface());
  packet_event.set_output_interface(packet.message->output_interface());
  packet_event.set_waited_us(static_cast<uint64_t>(monotonic_ns - packet.arrival_ns) / 1000);
  packet_event.set_queue(queue_);
  packet_event.set_transaction_id(packet.transaction_id);
  packet_event.set_suppressed(std::exchange(suppressed_, 0));
  events_->Post(std::move(event));
}

}  // namespace sluice::agent
