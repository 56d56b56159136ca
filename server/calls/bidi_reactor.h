#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/async_stream.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "server/calls/call_queue.h"
#include "server/calls/grpc_status.h"
#include "server/calls/reactor.h"

namespace sluice::server {

// gRPC's side of a call with a stream in each direction.
template <typename Request, typename Response>
struct BidiCall {
  explicit BidiCall(CallQueue* queue) : user(queue) {}

  CallQueue::User user;
  grpc::ServerContext context;
  grpc::ServerAsyncReaderWriter<Response, Request> stream{&context};
  CallEnd departure{&context};
};

// Works like grpc::ServerBidiReactor. Made with new for a call that has arrived.
template <typename Request, typename Response>
class BidiReactor : public Reactor {
 public:
  using Call = BidiCall<Request, Response>;

  explicit BidiReactor(std::unique_ptr<Call> call) : call_(std::move(call)) {}

  // Only while no read is under way. `request` must live until OnReadDone.
  void StartRead(Request* request) {
    Begin();
    call_->stream.Read(request, read_.Tag());
  }
  // Only while no write is under way. `response` has been serialized on return.
  void StartWrite(const Response* response) {
    Begin();
    call_->stream.Write(*response, written_.Tag());
  }
  // Called once, and only while no write is under way.
  void Finish(const absl::Status& status) { call_->stream.Finish(ToGrpc(status), finished_.Tag()); }

  virtual void OnReadDone(bool ok) = 0;
  virtual void OnWriteDone(bool ok) = 0;

 protected:
  ~BidiReactor() override = default;

  grpc::ServerContext& context() { return call_->context; }

 private:
  void Read(bool ok) {
    OnReadDone(ok);
    Over();
  }
  void Written(bool ok) {
    OnWriteDone(ok);
    Over();
  }
  void Finished(bool) { Over(); }

  const std::unique_ptr<Call> call_;
  Operation<BidiReactor, &BidiReactor::Read> read_{this};
  Operation<BidiReactor, &BidiReactor::Written> written_{this};
  Operation<BidiReactor, &BidiReactor::Finished> finished_{this};
};

}  // namespace sluice::server
