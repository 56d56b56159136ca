#pragma once

#include <grpcpp/support/channel_arguments.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/grpc_watch/channel_sockets.h"

namespace sluice {

// Watches a thread that drains a completion queue of gRPC's client. gRPC 1.51 takes in what a
// connection brings for as long as it brings something. A server that sends frames which complete
// nothing (a header continued without end, pings) so keeps the thread inside gRPC for as long as it
// likes, whatever else the thread is there for, and may have gRPC keep all of it. If the thread has
// spent kMostBusyNs of processor time in one call of gRPC, the channel with the most unread bytes
// is shut down. That ends its calls, as if the server had closed the connection.
//
// One thread of its own watches for all of a program.
class GrpcWatch final {
 public:
  // More than gRPC needs for any message of the size we take; short enough that the packets which
  // wait for the thread have not all missed their deadlines, seconds at most.
  static constexpr int64_t kMostBusyNs = 200'000'000;

  GrpcWatch() = default;
  ~GrpcWatch();
  GrpcWatch(const GrpcWatch&) = delete;
  GrpcWatch& operator=(const GrpcWatch&) = delete;

  // Watches the channel that is made with `arguments`, as long as its sockets are owned. Any thread
  // may call.
  std::shared_ptr<ChannelSockets> Watch(grpc::ChannelArguments& arguments);

  // To be called by the thread around each call of gRPC that drains the queue. It is the same
  // thread always; once it has ended, another one may call them and is not watched.
  void Enter() {
    if (!watching_) Begin();
    Count();
  }
  void Leave() { Count(); }

 private:
  class Watcher;
  friend class Watcher;

  void Begin();
  // By the one thread that counts.
  void Count() {
    crossings_.store(crossings_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // False if no channel has unread bytes.
  bool ShutDownFullest();

  bool watching_ = false;                // The thread's.
  std::atomic<uint64_t> crossings_ = 0;  // Into gRPC and out of it: odd while it is inside.
  clockid_t clock_ = {};  // The thread's processor time. Constant once the watcher knows of us.

  Mutex mutex_;
  std::vector<std::weak_ptr<ChannelSockets>> channels_ ABSL_GUARDED_BY(mutex_);

  // Of the watcher, under its lock.
  uint64_t seen_ = 0;       // The latest crossing.
  int64_t entered_ns_ = 0;  // On clock_, when it was new, or at least not inside.
};

}  // namespace sluice
