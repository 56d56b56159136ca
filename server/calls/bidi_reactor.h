#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "server/calls/call.h"

namespace sluice::server {

// Reacts to the events of a call with a stream in each direction. Works like
// grpc::ServerBidiReactor. Made with new for a call that has begun; deletes itself in OnDone.
template <typename Request, typename Response>
class BidiReactor : private CallEvents {
 public:
  explicit BidiReactor(std::shared_ptr<Call> call) : call_(std::move(call)) { call_->TellTo(this); }
  BidiReactor(const BidiReactor&) = delete;
  BidiReactor& operator=(const BidiReactor&) = delete;

  // Only while no read is under way. `request` must live until OnReadDone.
  void StartRead(Request* request) {
    request_ = request;
    call_->Read();
  }
  // Only while no write is under way. `response` has been serialized on return.
  void StartWrite(const Response* response) { call_->Write(*response); }
  void StartWriteSerialized(std::string_view response) { call_->WriteSerialized(response); }
  // Called once, and only while no write is under way.
  void Finish(const absl::Status& status) { call_->Finish(status); }

  // If not `ok`, no further message comes; unreadable() says whether the last one was none of this
  // call's.
  virtual void OnReadDone(bool ok) = 0;
  virtual void OnWriteDone(bool ok) = 0;
  void OnCancel() override {}
  void OnDone() override = 0;

 protected:
  virtual ~BidiReactor() = default;

  // Reads a message into `request`; false if it is unreadable. The bytes are valid until OnReadDone
  // returns.
  virtual bool Parse(std::string_view message, Request* request) {
    return request->ParseFromArray(message.data(), static_cast<int>(message.size()));
  }

  Call& call() { return *call_; }
  bool unreadable() const { return unreadable_; }

 private:
  void OnMessage(std::string_view message) final {
    unreadable_ = !Parse(message, request_);
    OnReadDone(!unreadable_);
  }
  void OnNoMessage() final { OnReadDone(false); }
  void OnWritten(bool ok) final { OnWriteDone(ok); }

  const std::shared_ptr<Call> call_;
  Request* request_ = nullptr;  // Not owned.
  bool unreadable_ = false;
};

}  // namespace sluice::server
