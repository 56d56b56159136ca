#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Events on their way to the server, bounded: what does not fit is left out, counted, and told on
// the stream itself. Not synchronized; its owner, the EventReporter, guards it.
//
// Conntrack events mean something only from a Gap on, which a snapshot follows. So from Open() on
// they are left out until a Gap is posted. When the backlog is full it is the same: what follows is
// left out; once half of the room is free, TakeResyncRequest() asks for a Gap, and that carries
// how many were lost. Lost PacketNotices are told in the next notice's `suppressed`.
class EventBacklog final {
 public:
  // Room for one chunk of a snapshot above the congestion mark.
  static constexpr size_t kLimitAtLeast = 1024;

  // `limit` events at most; never less than kLimitAtLeast.
  explicit EventBacklog(size_t limit);

  // A stream begins: events are kept from now on.
  void Open();
  // It ended: what is here is dropped without being counted, the next stream's snapshot covers it.
  void Close();

  void Post(v1::Event event);

  bool empty() const { return events_.empty(); }
  // More than half full.
  bool congested() const { return events_.size() > limit_ / 2; }
  // Moves the oldest events to the end of `batch`, at most `most`.
  void Take(size_t most, google::protobuf::RepeatedPtrField<v1::Event>& batch);
  // True once for each overflow, when there is room for a Gap and what follows it.
  bool TakeResyncRequest();

  // Events that did not fit, and Gaps that told so, since construction.
  uint64_t lost() const { return lost_; }
  uint64_t gaps() const { return gaps_; }

 private:
  void Lose(const v1::Event& event);

  const size_t limit_;
  bool open_ = false;
  std::deque<v1::Event> events_;

  bool awaiting_gap_ = false;
  // Why: the stream begins, or events were lost and perhaps a resync has been asked for.
  bool overflowed_ = false;
  bool resync_asked_ = false;
  uint64_t lost_before_gap_ = 0;
  uint64_t notices_lost_ = 0;

  uint64_t lost_ = 0;
  uint64_t gaps_ = 0;
};

}  // namespace sluice::agent
