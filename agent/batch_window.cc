#include "agent/batch_window.h"

#include <algorithm>

namespace sluice::agent {
namespace {

// Over a local link one: what arrives while it is answered makes the next, so that batches find
// their size, and messages cost what deciding does not. With two, a packet in 20,000 a second cost
// 82 us of the processors instead of 74, and a round trip at 40,000 a second took 737 us instead of
// 550 (two questions, decider on the same two processors).
constexpr int64_t kAtOnce = 1;
// Batches that leave in a round trip, evenly. A packet waits a 32nd of it at most for the next one
// to leave. Over 30 ms a question took 33.1, 32.7 and 32.1 ms with 16, 32 and 64, for 430, 740 and
// 1,200 messages a second; with two batches under way 48.8.
constexpr int64_t kEachRoundTrip = 32;
// But they leave no closer than this: a message costs some 14 us of processor time on the two ends
// together, so that at this distance a queue spends under a tenth of a processor on messages.
constexpr int64_t kClosest = 250'000;
// Under way are up to twice those of one round trip: acknowledgements come unevenly, and a window
// that they must open would undo the even spacing. Beyond that the decider does not keep up, and
// gains by fewer and larger batches.
constexpr int64_t kRoundTripsUnderWay = 2;
// A way that became longer is believed after two of these spans at most.
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
