#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <chrono>

#include "absl/status/status.h"
#include "server/calls/call_queue.h"
#include "server/calls/grpc_status.h"
#include "server/calls/reactor.h"

namespace sluice::server {

// A call that is answered once. Finish is called exactly once, by any thread; the call deletes
// itself afterwards.
template <typename Request, typename Response>
class UnaryCall final {
 public:
  explicit UnaryCall(CallQueue* queue) : user_(queue) {
    context.AsyncNotifyWhenDone(departed_.Tag());
  }

  // Nobody waits for the answer any more: the deadline has passed, or the caller cancelled or is
  // gone. The caller takes the call for failed, so the work must not be done. Any thread, before
  // Finish.
  bool Abandoned() const {
    return context.IsCancelled() || context.deadline() <= std::chrono::system_clock::now();
  }

  void Finish(const absl::Status& status) {
    responder.Finish(response, ToGrpc(status), finished_.Tag());
  }

  grpc::ServerContext context;
  Request request;
  Response response;
  grpc::ServerAsyncResponseWriter<Response> responder{&context};

 private:
  // Called for the end of the call and for that of Finish; the later of the two deletes it.
  void Over(bool) {
    if (under_way_.fetch_sub(1) == 1) delete this;
  }

  CallQueue::User user_;
  std::atomic<int> under_way_{2};
  Operation<UnaryCall, &UnaryCall::Over> departed_{this};
  Operation<UnaryCall, &UnaryCall::Over> finished_{this};
};

}  // namespace sluice::server
