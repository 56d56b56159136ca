#include "agent/packet_notices.h"

#include <utility>

namespace sluice::agent {
namespace {

// event.proto, PacketNotice.
constexpr int kNoticesASecond = 100;
constexpr int64_t kSecond = 1'000'000'000;

}  // namespace

bool PacketNotices::Allow(int64_t monotonic_ns) {
  if (events_ == nullptr) return false;
  if (monotonic_ns - second_ns_ >= kSecond) {
    second_ns_ = monotonic_ns;
    posted_ = 0;
  }
  if (posted_ == kNoticesASecond) {
    ++suppressed_;
    return false;
  }
  ++posted_;
  return true;
}

void PacketNotices::Post(const PendingPacket& packet, v1::Cause cause, Passed passed,
                         int64_t monotonic_ns, int64_t realtime_ns) {
  v1::Event event;
  event.mutable_time()->set_seconds(realtime_ns / kSecond);
  event.mutable_time()->set_nanos(static_cast<int32_t>(realtime_ns % kSecond));
  v1::PacketNotice& notice = *event.mutable_packet();
  if (packet.message->has_headers()) *notice.mutable_headers() = packet.message->headers();
  notice.set_family(packet.family);
  notice.set_cause(cause);
  notice.set_action(passed == Passed::kAccepted ? v1::ACTION_ACCEPT : v1::ACTION_DROP);
  notice.set_input_interface(packet.message->input_interface());
  notice.set_output_interface(packet.message->output_interface());
  notice.set_waited_us(static_cast<uint64_t>(monotonic_ns - packet.arrival_ns) / 1000);
  notice.set_queue(queue_);
  notice.set_transaction_id(packet.transaction_id);
  notice.set_suppressed(std::exchange(suppressed_, 0));
  events_->Post(std::move(event));
}

}  // namespace sluice::agent
