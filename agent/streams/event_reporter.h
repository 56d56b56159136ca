#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/streams/conversation.h"
#include "agent/streams/event_backlog.h"
#include "agent/streams/event_sink.h"
#include "agent/streams/stream_poller.h"
#include "agent/streams/wakeup.h"
#include "sluice/v1/event.grpc.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

struct EventReporterOptions {
  v1::AgentIdentity agent;
  std::vector<std::string> servers;
  // Events held while the server is slow; at least 1,024.
  size_t backlog = 65536;
  std::chrono::milliseconds stats_interval{1000};
};

struct ReportTraits {
  using Request = v1::ReportRequest;
  using Response = v1::ReportResponse;
  static constexpr char kService[] = "sluice.v1.EventService";
  // A decider need not offer it.
  static constexpr bool kRequired = false;
  static auto Prepare(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                      grpc::CompletionQueue* queue) {
    return v1::EventService::NewStub(channel)->PrepareAsyncReport(context, queue);
  }
};

// The agent's end of the Report conversation (event.proto): carries events and counters to the
// server. It has one thread, which dials, writes and waits. While no server is connected, events
// are not kept: the snapshot that begins a stream covers them. When the server takes events too
// slowly, the backlog fills, and what follows is lost and reported (see EventBacklog).
class EventReporter final : public EventSink, private Conversation<ReportTraits>::Listener {
 public:
  // `failed` is called once, on the reporter's thread, if it cannot go on (StreamPoller::Wait).
  EventReporter(EventReporterOptions options, std::function<void()> failed);
  // Stops.
  ~EventReporter() override;
  EventReporter(const EventReporter&) = delete;
  EventReporter& operator=(const EventReporter&) = delete;

  // Starts to dial. Both functions are called on the reporter's thread until Stop. `stats` reads
  // the gateway's counters. `resync` asks for a Gap with that cause and a snapshot, which are to be
  // posted here; it must not block. Call once.
  void Start(std::function<v1::GatewayStats()> stats, std::function<void(v1::GapCause)> resync);
  // Cancels the stream and joins. Nothing is called afterwards.
  void Stop();

  // Any thread.
  void Post(v1::Event event) override;
  bool Congested() const override;

  struct Counters {
    uint64_t lost = 0;  // events that did not fit into the backlog
    uint64_t gaps = 0;  // Gaps that reported such
  };
  // Any thread.
  Counters counters() const;

 private:
  void FillHello(v1::ReportRequest& request) override;
  absl::Status OnWelcome(const v1::ReportResponse& response) override;
  absl::Status OnMessage(v1::ReportResponse& response) override;
  void OnLost() override;

  void Run();
  // Writes what there is to write, as far as it can; returns when it wants to be called even if
  // nothing comes.
  int64_t Send(Conversation<ReportTraits>& conversation, int64_t now_ns);
  // False if there are no events to send.
  bool TakeBatch(v1::EventBatch& batch);

  const EventReporterOptions options_;
  const std::function<void()> failed_;
  std::function<v1::GatewayStats()> stats_;
  std::function<void(v1::GapCause)> resync_;
  Wakeup wakeup_;
  StreamPoller poller_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;

  mutable Mutex mutex_;
  EventBacklog backlog_ ABSL_GUARDED_BY(mutex_);
  // The thread waits only for an event to send.
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;

  // Used by the thread only.
  uint64_t sent_batch_ = 0;
  uint64_t acknowledged_batch_ = 0;
  int64_t stats_due_ns_ = 0;
};

}  // namespace sluice::agent
