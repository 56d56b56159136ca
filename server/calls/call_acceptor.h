#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "server/calls/call_queue.h"

namespace sluice::server {

// Waits for the calls of one method, one after the other. Deletes itself when the server is shut
// down.
template <typename Call>
class CallAcceptor final : public Completion {
 public:
  // Asks gRPC for the next call; gRPC reports it with `tag`.
  using Ask = std::function<void(Call* call, void* tag)>;
  // Called for each call that arrives. Must return soon, because only then is gRPC asked for the
  // next.
  using Handler = std::function<void(std::unique_ptr<Call> call)>;

  static void Open(CallQueue* queue, Ask ask, Handler handler) {
    (new CallAcceptor(queue, std::move(ask), std::move(handler)))->Wait();
  }

  void Complete(bool ok) override {
    if (!ok) {  // The server is shut down.
      delete this;
      return;
    }
    handler_(std::move(call_));
    Wait();
  }

 private:
  CallAcceptor(CallQueue* queue, Ask ask, Handler handler)
      : queue_(queue), user_(queue), ask_(std::move(ask)), handler_(std::move(handler)) {}
  ~CallAcceptor() = default;

  void Wait() {
    call_ = std::make_unique<Call>(queue_);
    ask_(call_.get(), Tag());
  }

  CallQueue* const queue_;  // Not owned.
  const CallQueue::User user_;
  const Ask ask_;
  const Handler handler_;
  std::unique_ptr<Call> call_;
};

}  // namespace sluice::server
