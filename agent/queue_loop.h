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
#include "agent/decision_client.h"
#include "agent/kernel_counters.h"
#include "agent/netfilter/queue_socket.h"
#include "agent/packet_pipeline.h"
#include "agent/wakeup.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

struct QueueLoopOptions {
  PipelineOptions pipeline;
  QueueSocketOptions socket;
  v1::DecideHello hello;
  std::vector<std::string> servers;
  // For how long the threads look for what has come before they sleep.
  std::chrono::nanoseconds busy_poll{0};
};

// One queue's thread. It owns the netlink socket, the pending packets and the Decide stream; other
// threads only post to it. Public methods may be called from any one other thread.
//
// What the decider sends is not handed to that thread, though: the stream's thread, being awake,
// takes a turn of the loop itself if nobody else is taking one. A wake-up less on the way of every
// verdict, and one less before a batch that waited for the write of the last.
class QueueLoop final {
 public:
  // Binds the queue; packets wait in the kernel until Start. `links` and `events` are not owned.
  // `failed` is called, from the loop's thread, if the socket breaks: the agent should end.
  static absl::StatusOr<std::unique_ptr<QueueLoop>> Open(const QueueLoopOptions& options,
                                                         const Links* links, EventSink* events,
                                                         std::function<void()> failed);
  ~QueueLoop();

  void Start();
  // Gives what is pending the fallback and joins. The queue stays bound until destruction.
  void Stop();

  // Returns when the loop has done it; going off, what was queued until then is let go.
  void SetMode(v1::Mode mode);
  // See RememberedSlots. What StopRemembering returns after, the kernel has been told.
  void StopRemembering();
  void StartRemembering(const Rememberable& rememberable);
  uint64_t unslotted();
  // A consistent reading: the identity of stats.proto holds in it.
  v1::QueueStats Stats();

 private:
  QueueLoop(const QueueLoopOptions& options, std::unique_ptr<QueueSocket> socket,
            const Links* links, EventSink* events, std::function<void()> failed);

  // The wake-up of this loop's streams.
  class StreamWakeup final : public Wakeup {
   public:
    explicit StreamWakeup(QueueLoop* loop) : loop_(loop) {}
    void Attend() override { loop_->Attend(); }

   private:
    QueueLoop* const loop_;
  };

  void Run();
  void Turn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // A turn in the loop's stead, of a stream's thread; or wakes the loop, if a turn is under way.
  void Attend();
  // What a turn does about the decider.
  void AttendDecider(int64_t now_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // When the next turn is due though nothing comes; monotonic clock.
  int64_t NextDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // Until `due_ns`, or until there is something to do. False: it cannot be waited.
  bool WaitForWork(int64_t due_ns);
  void Receive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void SendBatches() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // Runs `work` in a turn of the loop's thread, or here if the loop does not run, and returns when
  // it is done.
  void Do(const std::function<void()>& work);
  void DoPosted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  v1::QueueStats ReadStats();

  const QueueLoopOptions options_;
  const std::function<void()> failed_;
  const std::unique_ptr<QueueSocket> socket_;

  StreamWakeup wakeup_{this};
  // Held by whoever takes a turn, which owns the socket and what follows.
  Mutex turn_;
  bool more_to_receive_ ABSL_GUARDED_BY(turn_) = false;
  bool broken_ ABSL_GUARDED_BY(turn_) = false;
  bool turning_ ABSL_GUARDED_BY(turn_) = false;  // the loop runs
  int64_t due_ns_ ABSL_GUARDED_BY(turn_) = 0;    // until when it waits, if nothing comes
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
