#include "agent/streams/stream_poller.h"

#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

// gRPC's, see stream_poller.h.
extern int (*grpc_poll_function)(pollfd* fds, nfds_t count, int timeout_ms);

#include "agent/streams/clock.h"

namespace sluice::agent {
namespace {

// How often in a row gRPC may have other things to do before it polls. A completion queue that has
// failed (for instance because no descriptor was left) never polls, and logs a line each time.
constexpr int kMostUnpolled = 100;

// How often in a row Wait may return for a stream without a look at the descriptors. A server that
// sends message after message must not keep its agent from the packets.
constexpr int kMostWaitsWithoutPoll = 16;

bool installed = false;

// The poller whose Wait this thread is in.
thread_local StreamPoller* waiting = nullptr;

}  // namespace

void StreamPoller::Install() {
  setenv("GRPC_POLL_STRATEGY", "poll", /*overwrite=*/1);
  grpc_poll_function = [](pollfd* fds, nfds_t count, int timeout_ms) {
    if (waiting == nullptr) return poll(fds, count, timeout_ms);
    return waiting->Poll({fds, count});
  };
  installed = true;
}

StreamPoller::StreamPoller(std::chrono::nanoseconds busy_poll) : busy_poll_(busy_poll) {
  if (!installed) abort();
}

StreamPoller::~StreamPoller() {
  if (failed_) return;  // Shutting it down would never end.
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool StreamPoller::Wait(std::span<pollfd> fds, int64_t due_ns) {
  for (pollfd& fd : fds) fd.revents = 0;
  fds_ = fds;
  due_ns_ = due_ns;
  settled_ = false;
  error_ = 0;
  waiting = this;
  // gRPC is told not to wait. It then has us poll once, unless something is in the queue already or
  // it has other things to do first. Once there is something to return for, it is not asked again:
  // it would look at all its descriptors, mostly for nothing, and anything else comes the next
  // time.
  for (int unpolled = 0; !settled_; ++unpolled) {
    void* tag = nullptr;
    bool ok = false;
    watch_.Enter();
    const grpc::CompletionQueue::NextStatus next =
        queue_.AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC));
    watch_.Leave();
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      const auto* const what = static_cast<Tag*>(tag);
      if (what->receiver->OnEvent(what->what, ok)) settled_ = true;
      unpolled = 0;
    } else if (unpolled >= kMostUnpolled) {
      error_ = EMFILE;
      failed_ = true;
      break;
    }
  }
  waiting = nullptr;
  if (++waits_without_poll_ > kMostWaitsWithoutPoll) {
    waits_without_poll_ = 0;
    poll(fds.data(), fds.size(), 0);
  }
  errno = error_;
  return error_ == 0;
}

int StreamPoller::Poll(std::span<pollfd> theirs) {
  // Polls once in each Wait: what gRPC would look for now, it will find the next time.
  if (settled_) return 0;
  settled_ = true;
  waits_without_poll_ = 0;
  all_.assign(theirs.begin(), theirs.end());
  all_.insert(all_.end(), fds_.begin(), fds_.end());
  if (Sleep() < 0) {
    if (errno != EINTR) error_ = errno;
    return 0;
  }
  const auto ours = all_.begin() + static_cast<ptrdiff_t>(theirs.size());
  std::copy(all_.begin(), ours, theirs.begin());
  std::copy(ours, all_.end(), fds_.begin());
  return static_cast<int>(std::count_if(theirs.begin(), theirs.end(),
                                        [](const pollfd& fd) { return fd.revents != 0; }));
}

int StreamPoller::Sleep() {
  if (due_ns_ == INT64_MAX && busy_poll_.count() == 0)
    return ppoll(all_.data(), all_.size(), nullptr, nullptr);
  int64_t now = MonotonicNow();
  for (const int64_t sleep_ns = now + busy_poll_.count(); now < std::min(sleep_ns, due_ns_);
       now = MonotonicNow()) {
    if (const int ready = poll(all_.data(), all_.size(), 0); ready != 0) return ready;
  }
  const int64_t left = std::max<int64_t>(due_ns_ - now, 0);
  const timespec timeout{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
  return ppoll(all_.data(), all_.size(), &timeout, nullptr);
}

}  // namespace sluice::agent
