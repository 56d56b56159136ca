#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::agent {

// Says when the next batch of a Decide stream may leave. It numbers the batches, measures the round
// trip by their acknowledgements, and keeps as many batches under way as the round trip asks for,
// evenly spaced. Plain arithmetic on times of the monotonic clock.
//
// One batch leaves as soon as there is something to send, so that on a local link batches clock
// themselves: what arrives while one is under way makes the next. Over a longer link a cap alone
// would not do: all batches that it allows would leave at once and be acknowledged together a round
// trip later, and packets would wait in between. So further batches keep a distance.
class BatchWindow final {
 public:
  // A stream begins.
  void Reset();

  // The time from which a batch may leave; INT64_MAX: not before more is acknowledged.
  int64_t Opens() const;
  // A batch leaves; returns its number, from 1. `last_id` is the last transaction id in it, which
  // is higher than those of the batches before.
  uint64_t Send(int64_t now_ns, uint64_t last_id);
  // False: that many batches were never sent.
  bool Acknowledge(uint64_t batch, int64_t now_ns);
  // The packet with this transaction id was answered, so its batch has been received.
  void Answered(uint64_t id, int64_t now_ns);

  uint64_t sent() const { return sent_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t under_way() const { return sent_ - acknowledged_; }
  // The shortest round trip measured of late, which is that of the link alone: packets that wait at
  // the decider would only wait longer if more were sent. 0: none was measured yet.
  int64_t round_trip_ns() const;

 private:
  static constexpr uint64_t kMostUnderWay = 64;

  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
  int64_t last_sent_ns_ = 0;
  uint64_t acknowledged_id_ = 0;  // The last id that is acknowledged.
  // Of the batches under way, by number.
  std::array<int64_t, kMostUnderWay> sent_ns_{};
  std::array<uint64_t, kMostUnderWay> last_ids_{};
  // Shortest round trips: since the present span began, and in the span before.
  int64_t shortest_ns_ = INT64_MAX;
  int64_t shortest_before_ns_ = INT64_MAX;
  int64_t span_ends_ns_ = 0;
};

}  // namespace sluice::agent
