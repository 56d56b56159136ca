#pragma once

#include <cstdint>

#include "agent/counters.h"
#include "agent/event_sink.h"
#include "agent/pending_table.h"

namespace sluice::agent {

// Reports packets that were settled without a verdict (event.proto, PacketNotice), at most 100 a
// second. Owned by the queue's pipeline; one thread.
class PacketNotices final {
 public:
  // `events` may be null: then nothing is reported. Not owned.
  PacketNotices(uint16_t queue, EventSink* events) : queue_(queue), events_(events) {}

  // Whether one more may be reported; counts it as suppressed if not. Clocks in nanoseconds.
  bool Allow(int64_t monotonic_ns);
  // Once that was allowed. `packet` has its message.
  void Post(const PendingPacket& packet, v1::Cause cause, Passed passed, int64_t monotonic_ns,
            int64_t realtime_ns);

 private:
  const uint16_t queue_;
  EventSink* const events_;  // Not owned; may be null.
  int64_t second_ns_ = 0;
  int posted_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace sluice::agent
