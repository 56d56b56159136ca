#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/streams/event_sink.h"
#include "google/protobuf/timestamp.pb.h"
#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Makes one stream of the kernel's events and its dumps, as event.proto describes it: Gap, the
// table as SNAPSHOTs with live events mixed in, ResyncDone. It knows no kernel and no thread; the
// ConntrackWatcher owns it and tells it what was read and when.
//
// The kernel makes a chunk of a dump when the chunk before it is read, so that a chunk may be older
// than events that were read before it. So while a dump runs, events are held until the next chunk
// is posted: a SNAPSHOT never undoes an event. A connection whose end was read is not posted as
// SNAPSHOT. Memory: at most kHeldAtMost events, and 8 bytes for each connection that ends during a
// dump, up to kTombstonesAtMost; with more, the dump begins anew.
class ConntrackResync final {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr size_t kHeldAtMost = 4096;
  static constexpr size_t kTombstonesAtMost = 1 << 20;
  // The conversation's limit (event.proto, 4).
  static constexpr std::chrono::milliseconds kInterval{1000};

  explicit ConntrackResync(EventSink* sink /* not owned */,
                           size_t tombstones_at_most = kTombstonesAtMost)
      : sink_(sink), tombstones_at_most_(tombstones_at_most) {}

  // Takes live events in their order; leaves `events` empty.
  void Follow(std::vector<v1::Event>& events);

  // Events are missing here. Ends the dump that runs; another is due. Several gaps from overruns
  // with nothing between them are reported as one.
  void MarkGap(v1::GapCause cause, uint64_t lost_at_least, const google::protobuf::Timestamp& time);

  // When to start a dump; absent if none is wanted.
  std::optional<Instant> due() const;

  // Between DumpStarted and DumpDone, DumpBroken or MarkGap.
  bool dumping() const { return dumping_; }
  void DumpStarted(Instant now);
  // Takes a chunk of the dump; leaves `entries` empty.
  void Snapshot(std::vector<v1::Event>& entries);
  void DumpDone(const google::protobuf::Timestamp& time);
  // The dump must be made again.
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

  // The cause of the event posted last, if it was a Gap.
  v1::GapCause last_gap_ = v1::GAP_CAUSE_UNSPECIFIED;
};

}  // namespace sluice::agent
