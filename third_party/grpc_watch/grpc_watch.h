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
// spent kMostBusyNs of processor time without a turn, the channel with the most unread bytes is
// shut down. That ends its calls, as if the server had closed the connection.
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

  // To be called by the thread, always the same, each time that gRPC returns to it.
  void Turn() {
    if (!watching_) Begin();
    turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

 private:
  class Watcher;
  friend class Watcher;

  void Begin();
  // False if no channel has unread bytes.
  bool ShutDownFullest();

  bool watching_ = false;  // The thread's.
  std::atomic<uint64_t> turns_ = 0;
  clockid_t clock_ = {};  // The thread's processor time. Constant once the watcher knows of us.

  Mutex mutex_;
  std::vector<std::weak_ptr<ChannelSockets>> channels_ ABSL_GUARDED_BY(mutex_);

  // Of the watcher, under its lock.
  uint64_t turns_seen_ = 0;
  int64_t turned_ns_ = 0;  // On clock_, when turns_seen_ was new.
};

}  // namespace sluice
