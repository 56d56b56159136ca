#pragma once

#include <cstdint>

#include "agent/packets/counters.h"
#include "agent/packets/pending_table.h"
#include "agent/streams/event_sink.h"

namespace sluice::agent {

// Reports packets that were settled without a verdict (event.proto, PacketEvent), at most 100 a
// second. Owned by the queue's pipeline; one thread.
class PacketEvents final {
 public:
  // `events` is not owned and may be null: then nothing is reported.
  PacketEvents(uint16_t queue, EventSink* events) : queue_(queue), events_(events) {}

  // Whether one more packet may be reported; if not, counts it as suppressed. Clocks in
  // nanoseconds.
  bool Allow(int64_t monotonic_ns);
  // To be called only when Allow has said so. `packet` has its message.
  void Post(const PendingPacket& packet, v1::Cause cause, Disposition disposition,
            int64_t monotonic_ns, int64_t realtime_ns);

 private:
  const uint16_t queue_;
  EventSink* const events_;  // Not owned; may be null.
  int64_t second_ns_ = 0;
  int posted_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace sluice::agent
