#include "agent/streams/event_backlog.h"

#include <algorithm>
#include <utility>

namespace sluice::agent {
namespace {

// Entries of a snapshot do not count as events: another snapshot brings them again.
bool IsConntrackEvent(const v1::Event& event) {
  return event.has_expectation() ||
         (event.has_conntrack() && event.conntrack().type() != v1::EVENT_TYPE_SNAPSHOT);
}

}  // namespace

EventBacklog::EventBacklog(size_t limit) : limit_(std::max(limit, kLimitAtLeast)) {}

void EventBacklog::Open() {
  Close();
  open_ = true;
  awaiting_gap_ = true;
}

void EventBacklog::Close() {
  open_ = false;
  events_.clear();
  awaiting_gap_ = false;
  overflowed_ = false;
  resync_asked_ = false;
  lost_before_gap_ = 0;
  packet_events_lost_ = 0;
}

void EventBacklog::Lose(const v1::Event& event) {
  if (event.has_packet()) {
    packet_events_lost_ += 1 + event.packet().suppressed();
    ++lost_;
    return;
  }
  awaiting_gap_ = true;
  overflowed_ = true;
  resync_asked_ = false;
  if (event.has_gap()) lost_before_gap_ += event.gap().lost_at_least();
  if (!IsConntrackEvent(event)) return;
  ++lost_before_gap_;
  ++lost_;
}

void EventBacklog::Post(v1::Event event) {
  if (!open_) return;
  if (events_.size() >= limit_) {
    Lose(event);
    return;
  }
  if (event.has_packet()) {
    event.mutable_packet()->set_suppressed(event.packet().suppressed() + packet_events_lost_);
    packet_events_lost_ = 0;
  } else if (awaiting_gap_) {
    if (!event.has_gap()) {
      if (overflowed_ && IsConntrackEvent(event)) {
        ++lost_before_gap_;
        ++lost_;
      }
      return;
    }
    if (overflowed_) ++gaps_;
    event.mutable_gap()->set_lost_at_least(event.gap().lost_at_least() + lost_before_gap_);
    lost_before_gap_ = 0;
    awaiting_gap_ = false;
    overflowed_ = false;
  }
  events_.push_back(std::move(event));
}

void EventBacklog::Take(size_t most, google::protobuf::RepeatedPtrField<v1::Event>& batch) {
  for (; most > 0 && !events_.empty(); --most) {
    batch.Add(std::move(events_.front()));
    events_.pop_front();
  }
}

bool EventBacklog::TakeResyncRequest() {
  if (!overflowed_ || resync_asked_ || congested()) return false;
  resync_asked_ = true;
  return true;
}

}  // namespace sluice::agent
