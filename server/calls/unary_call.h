#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/calls/call.h"

namespace sluice::server {

// A call that is answered once, with its request. Finish is called exactly once, by any thread; the
// call deletes itself afterwards.
template <typename Request, typename Response>
class UnaryCall final : private CallEvents {
 public:
  UnaryCall(std::shared_ptr<Call> call, Request&& arrived)
      : request(std::move(arrived)), call_(std::move(call)) {
    call_->TellTo(this);
  }
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;

  // Nobody waits for the answer any more: the deadline has passed, or the caller cancelled or is
  // gone. The caller takes the call for failed, so the work must not be done. Any thread, before
  // Finish.
  bool Abandoned() const {
    return call_->cancelled() || call_->deadline() <= std::chrono::steady_clock::now();
  }
  const std::string& peer() const { return call_->peer(); }
  Call::Time deadline() const { return call_->deadline(); }

  void Finish(const absl::Status& status) {
    // The call may be deleted by the time Finish returns.
    const std::shared_ptr<Call> call = call_;
    if (status.ok()) {
      call->FinishWith(response);
    } else {
      call->Finish(status);
    }
  }

  const Request request;
  Response response;

 private:
  ~UnaryCall() = default;

  void OnMessage(std::string_view) override {}
  void OnNoMessage() override {}
  void OnWritten(bool) override {}
  void OnCancel() override {}
  void OnDone() override { delete this; }

  const std::shared_ptr<Call> call_;
};

}  // namespace sluice::server
