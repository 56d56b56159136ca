#pragma once

#include <grpcpp/grpcpp.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::agent {

// What a thread's streams and the thread itself wait for, in one poll(2): the completion queue of
// its streams, and file descriptors of its own. So a thread that waits for packets and for what its
// decider says of them is woken by either, and nobody hands anything to anybody: a thread of its
// own for each stream would have to be woken by it, and would meet the other at locks.
//
// gRPC has no call for that. But its engine `poll`, which Install chooses for the whole program,
// calls poll(2) by a variable, and that is set to add our descriptors to gRPC's
// (`grpc_poll_function`, gRPC 1.51: src/core/lib/iomgr/ev_posix.cc). Linking fails where a gRPC
// has it no more.
//
// Used by one thread, which owns the streams.
class StreamPoller final {
 public:
  enum class What { kRead, kWritten, kFinished };

  // A stream, as it is told of what it asked for.
  class Receiver {
   public:
    // Called from Wait. True if its owner should have a look.
    virtual bool OnEvent(What what, bool ok) = 0;

   protected:
    ~Receiver() = default;
  };
  // What gRPC is given with a question of a stream's.
  struct Tag {
    Receiver* receiver = nullptr;
    What what = What::kRead;
  };

  // To be called first of all in main, before gRPC is used and other threads are there. Without it
  // the program ends where it makes a poller.
  static void Install();

  // For `busy_poll` Wait looks for what has come, over and over, before it sleeps.
  explicit StreamPoller(std::chrono::nanoseconds busy_poll = {});
  // There are no streams any more, unless Wait has failed.
  ~StreamPoller();
  StreamPoller(const StreamPoller&) = delete;
  StreamPoller& operator=(const StreamPoller&) = delete;

  grpc::CompletionQueue* queue() { return &queue_; }

  // Waits until a stream's owner should have a look, one of `fds` is ready (its `revents` say so),
  // or it is `due_ns` (CLOCK_MONOTONIC; INT64_MAX: never). If something of the streams' has come
  // already, it does not look at `fds`. False: it cannot be waited, errno says why; nor will it be
  // later, so that the program must end.
  bool Wait(std::span<pollfd> fds, int64_t due_ns);

 private:
  // In gRPC's place: waits for its descriptors and ours.
  int Poll(std::span<pollfd> theirs);
  int Sleep();

  const std::chrono::nanoseconds busy_poll_;
  grpc::CompletionQueue queue_;

  // Of the Wait under way.
  std::span<pollfd> fds_;
  int64_t due_ns_ = 0;
  bool settled_ = false;  // There is something to return for: no more sleep.
  int error_ = 0;
  std::vector<pollfd> all_;

  bool failed_ = false;  // The queue; for good.
};

}  // namespace sluice::agent
