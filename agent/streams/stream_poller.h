#pragma once

#include <grpcpp/grpcpp.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "third_party/grpc_watch/grpc_watch.h"

namespace sluice::agent {

// Waits, in one poll(2), for all that concerns a thread: the completion queue of its streams, and
// file descriptors of its own. So a thread that waits for packets and for its decider's answers is
// woken by either, and no thread hands anything to another: if each stream had a thread of its own,
// that would have to wake this one, and the two would meet at locks.
//
// gRPC has no call for that. But its engine `poll`, which Install chooses for the whole program,
// calls poll(2) through a variable, which Install sets to a function that adds our descriptors to
// gRPC's (`grpc_poll_function`, gRPC 1.51: src/core/lib/iomgr/ev_posix.cc). If a gRPC no longer has
// this variable, linking fails.
//
// Used by one thread, which owns the streams.
class StreamPoller final {
 public:
  enum class What { kRead, kWritten, kFinished };

  // A stream, which is told when something it asked gRPC for is done.
  class Receiver {
   public:
    // Called from Wait. True if its owner should have a look.
    virtual bool OnEvent(What what, bool ok) = 0;

   protected:
    ~Receiver() = default;
  };
  // What a stream gives gRPC with each thing that it asks for.
  struct Tag {
    Receiver* receiver = nullptr;
    What what = What::kRead;
  };

  // To be called first in main, before gRPC is used and before there are other threads. Without it,
  // making a poller aborts the program.
  static void Install();

  // Wait polls over and over for `busy_poll` before it sleeps.
  explicit StreamPoller(std::chrono::nanoseconds busy_poll = {});
  // There must be no streams any more, unless Wait has failed.
  ~StreamPoller();
  StreamPoller(const StreamPoller&) = delete;
  StreamPoller& operator=(const StreamPoller&) = delete;

  grpc::CompletionQueue* queue() { return &queue_; }
  // Watches the thread. For the channels of its streams.
  GrpcWatch* watch() { return &watch_; }

  // Waits until a stream's owner should have a look, one of `fds` is ready (its `revents` say so),
  // or it is `due_ns` (CLOCK_MONOTONIC; INT64_MAX: never). If something has come for a stream
  // already, it does not look at `fds`, but several times in a row at most. False: waiting is not
  // possible, now or later, and errno says why; the program must end.
  bool Wait(std::span<pollfd> fds, int64_t due_ns);

 private:
  // Called by gRPC instead of poll(2): waits for its descriptors and ours.
  int Poll(std::span<pollfd> theirs);
  int Sleep();

  const std::chrono::nanoseconds busy_poll_;
  GrpcWatch watch_;
  grpc::CompletionQueue queue_;

  // Of the Wait under way.
  std::span<pollfd> fds_;
  int64_t due_ns_ = 0;
  bool settled_ = false;  // There is something to return for: no more sleep.
  int error_ = 0;
  std::vector<pollfd> all_;
  int waits_without_poll_ = 0;

  bool failed_ = false;  // The completion queue has failed, for good.
};

}  // namespace sluice::agent
