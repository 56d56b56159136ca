#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "server/calls/call.h"

namespace sluice::server {

// Takes the one request of a call whose caller says no more. A call that has another number of
// requests, or one that cannot be read, is refused. Deletes itself.
template <typename Request>
class SingleRequest final : private CallEvents {
 public:
  using Then = std::function<void(std::shared_ptr<Call> call, Request&& request)>;

  // `then` is called once the request has arrived whole.
  static void Take(std::shared_ptr<Call> call, const Then* then) {
    auto* reader = new SingleRequest(std::move(call), then);
    reader->call_->TellTo(reader);
    reader->call_->Read();
  }

 private:
  SingleRequest(std::shared_ptr<Call> call, const Then* then)
      : call_(std::move(call)), then_(then) {}
  ~SingleRequest() = default;

  void OnMessage(std::string_view message) override {
    if (has_request_) return Refuse(absl::UnimplementedError("this call takes one request only"));
    has_request_ = true;
    if (!request_.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      return Refuse(absl::InvalidArgumentError(
          "the request could not be read: a string in it is not UTF-8, or it is not a request of "
          "this call"));
    }
    call_->Read();
  }
  void OnNoMessage() override {
    if (refused_) return;
    if (call_->cancelled()) return;  // OnCancel ends it.
    if (!has_request_) return Refuse(absl::UnimplementedError("this call takes a request"));
    // Whoever goes on tells the call where to report from now on.
    (*then_)(std::move(call_), std::move(request_));
    delete this;
  }
  void OnWritten(bool) override {}
  void OnCancel() override { Refuse(absl::CancelledError("the call was cancelled")); }
  void OnDone() override { delete this; }

  void Refuse(const absl::Status& why) {
    if (!std::exchange(refused_, true)) call_->Finish(why);
  }

  std::shared_ptr<Call> call_;
  const Then* const then_;  // Not owned.
  Request request_;
  bool has_request_ = false;
  bool refused_ = false;
};

}  // namespace sluice::server
