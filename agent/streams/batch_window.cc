#include "agent/streams/batch_window.h"

#include <algorithm>

namespace sluice::agent {
namespace {

// One batch over a local link: what arrives while it is answered makes the next. So batches find
// their size, and messages take only the processor time that deciding leaves. With two, a packet
// cost 82 us of processor time instead of 74 at 20,000 a second, and a round trip at 40,000 a
// second took 737 us instead of 550 (two questions, decider on the same two processors).
constexpr int64_t kAtOnce = 1;
// Batches that leave in a round trip, evenly spaced. A packet waits at most a 32nd of it for the
// next one to leave. Over a link of 30 ms, a question took 33.1, 32.7 and 32.1 ms with 16, 32 and
// 64 batches, for 430, 740 and 1,200 messages a second; with only two batches under way it took
// 48.8 ms.
constexpr int64_t kEachRoundTrip = 32;
// But batches leave no closer than this: a message costs some 14 us of processor time on both ends
// together, so that at this distance a queue spends under a tenth of a processor on messages.
constexpr int64_t kClosest = 250'000;
// Up to twice the batches of one round trip may be under way: acknowledgements come unevenly, and
// if the window had to wait for them, the even spacing would be undone. Beyond that the decider
// does not keep up, and is helped by fewer and larger batches.
constexpr int64_t kRoundTripsUnderWay = 2;
// A round trip that became longer is believed after at most two of these spans.
constexpr int64_t kSpan = 5'000'000'000;

}  // namespace

void BatchWindow::Reset() { *this = BatchWindow(); }

int64_t BatchWindow::round_trip_ns() const {
  const int64_t shortest = std::min(shortest_ns_, shortest_before_ns_);
  return shortest == INT64_MAX ? 0 : shortest;
}

int64_t BatchWindow::Opens() const {
  const auto under_way = static_cast<int64_t>(this->under_way());
  if (under_way < kAtOnce) return last_sent_ns_;
  const int64_t round_trip = round_trip_ns();
  const int64_t distance = std::max(round_trip / kEachRoundTrip, kClosest);
  const int64_t cap = std::min<int64_t>(kRoundTripsUnderWay * round_trip / distance, kMostUnderWay);
  return under_way < cap ? last_sent_ns_ + distance : INT64_MAX;
}

uint64_t BatchWindow::Send(int64_t now_ns, uint64_t last_id) {
  last_sent_ns_ = now_ns;
  sent_ns_[++sent_ % kMostUnderWay] = now_ns;
  last_ids_[sent_ % kMostUnderWay] = last_id;
  return sent_;
}

void BatchWindow::Answered(uint64_t id, int64_t now_ns) {
  if (id <= acknowledged_id_) return;
  for (uint64_t batch = acknowledged_ + 1; batch <= sent_; ++batch) {
    if (id > last_ids_[batch % kMostUnderWay]) continue;
    Acknowledge(batch, now_ns);
    return;
  }
}

bool BatchWindow::Acknowledge(uint64_t batch, int64_t now_ns) {
  if (batch > sent_) return false;
  if (batch <= acknowledged_) return true;
  acknowledged_ = batch;
  acknowledged_id_ = last_ids_[batch % kMostUnderWay];
  if (now_ns >= span_ends_ns_) {
    shortest_before_ns_ = shortest_ns_;
    shortest_ns_ = INT64_MAX;
    span_ends_ns_ = now_ns + kSpan;
  }
  shortest_ns_ = std::min(shortest_ns_, now_ns - sent_ns_[batch % kMostUnderWay]);
  return true;
}

}  // namespace sluice::agent
