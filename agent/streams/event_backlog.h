#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Events on their way to the server, bounded: those that do not fit are left out, counted, and
// reported on the stream itself. Not synchronized; its owner, the EventReporter, guards it.
//
// Conntrack events mean something only after a Gap, which a snapshot follows. So from Open() on
// they are left out until a Gap is posted. The same happens when the backlog is full: what follows
// is left out. Once half of the room is free, TakeResyncRequest() asks for a Gap, which says how
// many were lost. Lost PacketEvents are reported in `suppressed` of the next one.
class EventBacklog final {
 public:
  // Room for one chunk of a dump above the congestion mark.
  static constexpr size_t kLimitAtLeast = 1024;

  // At most `limit` events, but never less than kLimitAtLeast.
  explicit EventBacklog(size_t limit);

  // A stream begins: events are kept from now on.
  void Open();
  // The stream ended: its events are discarded and not counted, as the next stream's snapshot
  // covers them.
  void Close();

  void Post(v1::Event event);

  bool empty() const { return events_.empty(); }
  // More than half full.
  bool congested() const { return events_.size() > limit_ / 2; }
  // Moves the oldest events to the end of `batch`, at most `most`.
  void Take(size_t most, google::protobuf::RepeatedPtrField<v1::Event>& batch);
  // True once for each overflow, when there is room for a Gap and what follows it.
  bool TakeResyncRequest();

  // Events that did not fit, and Gaps that reported such, since construction.
  uint64_t lost() const { return lost_; }
  uint64_t gaps() const { return gaps_; }

 private:
  void Lose(const v1::Event& event);

  const size_t limit_;
  bool open_ = false;
  std::deque<v1::Event> events_;

  bool awaiting_gap_ = false;
  // Why a Gap is awaited: events were lost (and perhaps a resync has been asked for), or else the
  // stream begins.
  bool overflowed_ = false;
  bool resync_asked_ = false;
  uint64_t lost_before_gap_ = 0;
  uint64_t packet_events_lost_ = 0;

  uint64_t lost_ = 0;
  uint64_t gaps_ = 0;
};

}  // namespace sluice::agent
