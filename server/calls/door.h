#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "server/calls/call_queue.h"

namespace sluice::server {

// Waits for the calls of one method, one after the other, until the server is shut down. Deletes
// itself then.
template <typename Call>
class Door final : public Completion {
 public:
  // Asks gRPC for the next call, to be told of by the tag.
  using Ask = std::function<void(Call* call, void* tag)>;
  // One has come. Not to take long, as the next is asked for when it returns.
  using Handler = std::function<void(std::unique_ptr<Call> call)>;

  static void Open(CallQueue* queue, Ask ask, Handler handler) {
    (new Door(queue, std::move(ask), std::move(handler)))->Wait();
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
  Door(CallQueue* queue, Ask ask, Handler handler)
      : queue_(queue), user_(queue), ask_(std::move(ask)), handler_(std::move(handler)) {}
  ~Door() = default;

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
