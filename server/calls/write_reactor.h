#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "server/calls/call.h"

namespace sluice::server {

// A call that is answered by a stream, with its request.
template <typename Request>
struct WriteCall {
  std::shared_ptr<Call> call;
  Request request;
};

// Reacts to the events of such a call. Works like grpc::ServerWriteReactor. Made with new; deletes
// itself in OnDone.
template <typename Request, typename Response>
class WriteReactor : private CallEvents {
 public:
  explicit WriteReactor(WriteCall<Request>&& call)
      : call_(std::move(call.call)), request_(std::move(call.request)) {
    call_->TellTo(this);
  }
  WriteReactor(const WriteReactor&) = delete;
  WriteReactor& operator=(const WriteReactor&) = delete;

  // Tells the caller that the call was accepted. Called at most once, and before the first write.
  void StartSendInitialMetadata() { call_->SendHead(); }
  // Only while no write is under way. `response` has been serialized on return.
  void StartWrite(const Response* response) { call_->Write(*response); }
  // Called once, and only while no write is under way.
  void Finish(const absl::Status& status) { call_->Finish(status); }

  virtual void OnWriteDone(bool ok) = 0;
  void OnCancel() override {}
  void OnDone() override = 0;

 protected:
  virtual ~WriteReactor() = default;

  Call& call() { return *call_; }
  const Request& request() const { return request_; }

 private:
  void OnMessage(std::string_view) final {}
  void OnNoMessage() final {}
  void OnWritten(bool ok) final { OnWriteDone(ok); }

  const std::shared_ptr<Call> call_;
  const Request request_;
};

// Refuses a call with a status. Deletes itself.
class Refusal final : private CallEvents {
 public:
  static void Make(std::shared_ptr<Call> call, const absl::Status& why) {
    auto* refusal = new Refusal(std::move(call));
    refusal->call_->TellTo(refusal);
    refusal->call_->Finish(why);
  }

 private:
  explicit Refusal(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~Refusal() = default;

  void OnMessage(std::string_view) override {}
  void OnNoMessage() override {}
  void OnWritten(bool) override {}
  void OnCancel() override {}
  void OnDone() override { delete this; }

  const std::shared_ptr<Call> call_;
};

}  // namespace sluice::server
