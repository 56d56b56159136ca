#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/queue/queue_socket.h"
#include "agent/packets/counters.h"
#include "agent/packets/packet_pipeline.h"
#include "agent/remembered/verdict_memory.h"
#include "agent/streams/decision_client.h"
#include "agent/streams/stream_poller.h"
#include "agent/streams/wakeup.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

struct QueueLoopOptions {
  PipelineOptions pipeline;
  QueueSocketOptions socket;
  v1::DecideHello hello;
  std::vector<std::string> servers;
  // How long the thread polls for packets and verdicts before it sleeps.
  std::chrono::nanoseconds busy_poll{0};
};

// One queue's thread. It owns the netlink socket, the pending packets and the Decide stream, and
// waits for all of them at once; other threads only post to it. Any of them may call the public
// methods, Start and Stop the owner alone.
class QueueLoop final : public RememberingQueue {
 public:
  // Binds the queue; packets wait in the kernel until Start. `links` and `events` are not owned.
  // `failed` is called, from the loop's thread, if the socket breaks: the agent should end.
  static absl::StatusOr<std::unique_ptr<QueueLoop>> Open(const QueueLoopOptions& options,
                                                         const Links* links, EventSink* events,
                                                         std::function<void()> failed);
  ~QueueLoop() override;

  void Start();
  // Gives pending packets the fallback, those that the kernel has queued by then as well, and
  // joins. The queue stays bound until destruction.
  void Stop();

  // Returns when the loop has entered the mode. If that is off, the packets queued until then have
  // been let go.
  void EnterMode(v1::Mode mode);

  void StopRemembering() override;
  void StartRemembering(const Rememberable& rememberable) override;
  uint64_t unslotted() override;

  // A consistent reading: the identity of stats.proto holds in it.
  v1::QueueStats Stats();

 private:
  QueueLoop(const QueueLoopOptions& options, std::unique_ptr<QueueSocket> socket,
            const Links* links, EventSink* events, std::function<void()> failed);

  void Run();
  void Turn();
  // The part of a turn that concerns the decider.
  void AttendDecider(int64_t now_ns);
  // When the next turn is due even if nothing comes; monotonic clock.
  int64_t NextDue() const;
  // Waits until there is something to do or the next turn is due.
  void Wait();
  void Receive();
  // Gives the fallback to pending packets, and to those that the kernel has queued by now: it would
  // drop them, uncounted and whatever the fail mode, when the socket closes.
  void SettleAll();
  void SendBatches();
  // Runs `work` in a turn of the loop's thread, or here if the loop does not run, and returns when
  // it is done.
  void Do(const std::function<void()>& work);
  void DoPosted();
  v1::QueueStats ReadStats();

  const QueueLoopOptions options_;
  const std::function<void()> failed_;
  const std::unique_ptr<QueueSocket> socket_;

  Wakeup wakeup_;
  StreamPoller poller_;
  // The socket has something to read, or may have.
  bool readable_ = true;
  bool broken_ = false;
  PacketPipeline pipeline_;
  DecisionClient client_;
  WideCounter queue_dropped_;
  WideCounter user_dropped_;
  WideCounter numbered_;

  std::atomic<bool> stop_ = false;
  std::atomic<bool> posted_flag_ = false;
  Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace sluice::agent
