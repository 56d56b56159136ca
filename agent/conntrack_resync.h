#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/event_sink.h"
#include "google/protobuf/timestamp.pb.h"
#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Makes one stream of the kernel's events and its dumps, as event.proto tells it: Gap, the table
// as SNAPSHOTs with live events mixed in, ResyncDone. It knows no kernel and no thread; the
// ConntrackWatcher owns it and calls it with what was read and when.
//
// A chunk of a dump may be older than events read before it, as the kernel makes it when the one
// before is read. So while a dump runs, events are held until the next chunk is posted: a
// SNAPSHOT never undoes an event. A connection whose end was read is not posted as SNAPSHOT.
// Memory: at most kHeldAtMost events and, for connections that end during a dump, 8 bytes each of
// kTombstonesAtMost; beyond, the dump begins anew.
class ConntrackResync final {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr size_t kHeldAtMost = 4096;
  static constexpr size_t kTombstonesAtMost = 1 << 20;
  // The conversation's own number (event.proto, 4).
  static constexpr std::chrono::milliseconds kInterval{1000};

  explicit ConntrackResync(EventSink* sink /* not owned */,
                           size_t tombstones_at_most = kTombstonesAtMost)
      : sink_(sink), tombstones_at_most_(tombstones_at_most) {}

  // Live events in their order; leaves `events` empty.
  void Follow(std::vector<v1::Event>& events);

  // Events are missing here. Ends the dump that runs; another is due. Several gaps of an overrun
  // with nothing between them are told as one.
  void MarkGap(v1::GapCause cause, uint64_t lost_at_least, const google::protobuf::Timestamp& time);

  // When to start a dump; absent if none is wanted.
  std::optional<Instant> due() const;

  // Between DumpStarted and DumpDone, DumpBroken or MarkGap.
  bool dumping() const { return dumping_; }
  void DumpStarted(Instant now);
  // A chunk of the dump; leaves `entries` empty.
  void Snapshot(std::vector<v1::Event>& entries);
  void DumpDone(const google::protobuf::Timestamp& time);
  // The dump has to be made again.
  void DumpBroken();

 private:
  void Post(v1::Event event);
  void PostHeld();
  void EndDump();

  EventSink* const sink_;  // Not owned.
  const size_t tombstones_at_most_;
  bool wanted_ = false;
  std::optional<Instant> last_start_;

  bool dumping_ = false;
  uint64_t connections_ = 0;
  absl::flat_hash_set<uint64_t> tombstones_;
  std::vector<v1::Event> held_;

  // Of the event posted last, if it was a Gap.
  v1::GapCause last_gap_ = v1::GAP_CAUSE_UNSPECIFIED;
};

}  // namespace sluice::agent
