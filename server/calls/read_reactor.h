#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "server/calls/call.h"

namespace sluice::server {

// Reacts to the events of a call whose caller sends a stream and is answered once. Works like
// grpc::ServerReadReactor. Made with new for a call that has begun; deletes itself in OnDone.
template <typename Request, typename Response>
class ReadReactor : private CallEvents {
 public:
  explicit ReadReactor(std::shared_ptr<Call> call) : call_(std::move(call)) { call_->TellTo(this); }
  ReadReactor(const ReadReactor&) = delete;
  ReadReactor& operator=(const ReadReactor&) = delete;

  // Only while no read is under way. `request` must live until OnReadDone.
  void StartRead(Request* request) {
    request_ = request;
    call_->Read();
  }
  // Ends the call. One of the two is called, once. `response` has been serialized on return.
  void FinishWith(const Response& response) { call_->FinishWith(response); }
  void Finish(const absl::Status& status) { call_->Finish(status); }

  // If not `ok`, no further message comes; unreadable() says whether the last one was none of this
  // call's.
  virtual void OnReadDone(bool ok) = 0;
  void OnCancel() override {}
  void OnDone() override = 0;

 protected:
  virtual ~ReadReactor() = default;

  Call& call() { return *call_; }
  bool unreadable() const { return unreadable_; }

 private:
  void OnMessage(std::string_view message) final {
    unreadable_ = !request_->ParseFromArray(message.data(), static_cast<int>(message.size()));
    OnReadDone(!unreadable_);
  }
  void OnNoMessage() final { OnReadDone(false); }
  void OnWritten(bool) final {}

  const std::shared_ptr<Call> call_;
  Request* request_ = nullptr;  // Not owned.
  bool unreadable_ = false;
};

}  // namespace sluice::server
