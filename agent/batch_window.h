#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::agent {

// When the next batch of a Decide stream may leave: numbers the batches, measures the round trip by
// their acknowledgements, and keeps as many under way as that asks for, evenly spaced. Plain
// arithmetic on times of the monotonic clock.
//
// One batch leaves as soon as there is something to send, so that on a local link batches
// clock themselves: what arrives while it is under way is the next. Over a longer way a cap alone
// would not do: all that it allows leaves at once and is acknowledged together a round trip later,
// and meanwhile packets wait. So further batches keep a distance.
class BatchWindow final {
 public:
  // A stream begins.
  void Reset();

  // From when on a batch may leave, if that can be said; INT64_MAX: not before more is
  // acknowledged.
  int64_t Opens() const;
  // A batch leaves; its number, from 1. `last_id` is the last transaction id in it, and higher than
  // those of the batches before.
  uint64_t Send(int64_t now_ns, uint64_t last_id);
  // False: so many were never sent.
  bool Acknowledge(uint64_t batch, int64_t now_ns);
  // The packet of that transaction id was answered: so its batch has come in.
  void Answered(uint64_t id, int64_t now_ns);

  uint64_t sent() const { return sent_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t under_way() const { return sent_ - acknowledged_; }
  // The shortest measured of late, which is that of the way: what waits at the decider would only
  // wait longer if more were sent. 0: none was measured yet.
  int64_t round_trip_ns() const;

 private:
  static constexpr uint64_t kMostUnderWay = 64;

  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
  int64_t last_sent_ns_ = 0;
  uint64_t acknowledged_id_ = 0;  // The last of what is acknowledged.
  // Of those under way, by number.
  std::array<int64_t, kMostUnderWay> sent_ns_{};
  std::array<uint64_t, kMostUnderWay> last_ids_{};
  // Shortest round trips: since the present span began, and in the span before.
  int64_t shortest_ns_ = INT64_MAX;
  int64_t shortest_before_ns_ = INT64_MAX;
  int64_t span_ends_ns_ = 0;
};

}  // namespace sluice::agent
