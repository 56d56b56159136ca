#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/async_unary_call.h>

#include "server/calls/call_queue.h"

namespace sluice::server {

// A call that is answered once. Deletes itself when it has been finished, which anybody does, and
// exactly once.
template <typename Request, typename Response>
class UnaryCall final : public Completion {
 public:
  explicit UnaryCall(CallQueue* queue) : user_(queue) {}

  void Finish(const grpc::Status& status) { responder.Finish(response, status, Tag()); }
  void Complete(bool) override { delete this; }

  grpc::ServerContext context;
  Request request;
  Response response;
  grpc::ServerAsyncResponseWriter<Response> responder{&context};

 private:
  CallQueue::User user_;
};

}  // namespace sluice::server
