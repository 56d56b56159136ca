#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/connections/conntrack_resync.h"
#include "agent/connections/silent_flows.h"
#include "agent/netfilter/conntrack/conntrack_socket.h"
#include "agent/streams/event_sink.h"
#include "agent/streams/wakeup.h"

namespace sluice::agent {

struct ConntrackWatcherOptions {
  // Bytes of the netlink socket's buffer; grows up to eightfold as it overruns.
  size_t receive_buffer = 8 * 1024 * 1024;
};

// Follows the kernel's connection table in this network namespace: posts every event, in order, and
// where events were lost a Gap, the whole table and ResyncDone (event.proto). Subscribes before it
// dumps, as the kernel sends no events for connections that are older than the first listener.
// SilentFlows finds out when those have ended.
//
// It has one thread, which waits only for the kernel, and where events come often, reads at once
// what came in two milliseconds. While the sink is congested a dump pauses, and the events that
// ConntrackResync holds wait with it. When events come faster than the sink takes them, the sink
// counts the loss and asks for a resync; when they come faster than this thread reads, the kernel
// says so.
class ConntrackWatcher final {
 public:
  // Subscribes. Errors: PERMISSION_DENIED, no CAP_NET_ADMIN in this network namespace;
  // UNAVAILABLE, the kernel has no conntrack netlink. `sink` outlives Stop(); not owned.
  static absl::StatusOr<std::unique_ptr<ConntrackWatcher>> Open(
      const ConntrackWatcherOptions& options, EventSink* sink);
  // Stops.
  ~ConntrackWatcher();
  ConntrackWatcher(const ConntrackWatcher&) = delete;
  ConntrackWatcher& operator=(const ConntrackWatcher&) = delete;

  // Starts to post. Call once.
  void Start();
  // Marks a gap now and dumps the table as soon as a second has passed since the last dump began.
  // Any thread.
  void RequestResync(v1::GapCause cause);
  // Joins. Nothing is posted afterwards.
  void Stop();

  struct Counters {
    uint64_t events = 0;  // read from the kernel, entries of dumps not counted
    uint64_t lost = 0;    // by overruns, at least; the kernel does not say how many
    uint64_t gaps = 0;    // from overruns
  };
  // Any thread.
  Counters counters() const;

 private:
  ConntrackWatcher(std::unique_ptr<ConntrackEvents> events, EventSink* sink);

  void Run();
  void Wait();
  void ReadDump();
  void ReadEvents();
  void StartDump(std::chrono::steady_clock::time_point now);
  void BreakDump(const absl::Status& status);
  void EndDump();
  void Complain(const absl::Status& status);

  const std::unique_ptr<ConntrackEvents> events_;
  EventSink* const sink_;  // Not owned.
  Wakeup wakeup_;
  std::thread thread_;

  // Any thread.
  std::atomic<bool> stopping_ = false;
  std::atomic<uint32_t> requests_ = 0;  // bit n: a resync for GapCause n
  std::atomic<uint64_t> events_read_ = 0;
  std::atomic<uint64_t> overruns_ = 0;

  // Used by the thread only.
  ConntrackResync resync_;
  SilentFlows silent_;
  std::unique_ptr<ConntrackDump> dump_;
  bool for_resync_ = false;  // dump_ is for resync_ too.
  bool dump_readable_ = false;
  bool overrun_ = false;                             // The socket overran; not empty since.
  std::chrono::steady_clock::time_point next_look_;  // Until then no event wakes the thread.
  std::vector<v1::Event> read_;
  std::string complaint_;
};

}  // namespace sluice::agent
