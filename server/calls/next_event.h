#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>

namespace sluice::server {

// As `queue.Next(tag, ok)`, but looks for an event over and over for `busy_poll` before it sleeps:
// an event that comes meanwhile needs nobody to be woken. 0: sleeps at once.
inline bool NextEvent(grpc::CompletionQueue* queue, std::chrono::nanoseconds busy_poll, void** tag,
                      bool* ok) {
  using Clock = std::chrono::steady_clock;
  if (busy_poll.count() > 0) {
    const Clock::time_point end = Clock::now() + busy_poll;
    do {
      switch (queue->AsyncNext(tag, ok, gpr_inf_past(GPR_CLOCK_MONOTONIC))) {
        case grpc::CompletionQueue::GOT_EVENT:
          return true;
        case grpc::CompletionQueue::SHUTDOWN:
          return false;
        case grpc::CompletionQueue::TIMEOUT:
          break;
      }
    } while (Clock::now() < end);
  }
  return queue->Next(tag, ok);
}

}  // namespace sluice::server
