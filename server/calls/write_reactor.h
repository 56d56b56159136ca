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

// gRPC's side of a call that is answered by a stream.
template <typename Request, typename Response>
struct WriteCall {
  explicit WriteCall(CallQueue* queue) : user(queue) {}

  CallQueue::User user;
  grpc::ServerContext context;
  Request request;
  grpc::ServerAsyncWriter<Response> stream{&context};
  CallEnd departure{&context};
};

// Works like grpc::ServerWriteReactor. Made with new for a call that has arrived.
template <typename Request, typename Response>
class WriteReactor : public Reactor {
 public:
  using Call = WriteCall<Request, Response>;

  explicit WriteReactor(std::unique_ptr<Call> call) : call_(std::move(call)) {}

  // Tells the caller that the call was accepted. Called at most once, and before the first write.
  void StartSendInitialMetadata() {
    Begin();
    call_->stream.SendInitialMetadata(greeted_.Tag());
  }
  // Only while no write is under way. `response` has been serialized on return.
  void StartWrite(const Response* response) {
    Begin();
    call_->stream.Write(*response, written_.Tag());
  }
  // Called once, and only while no write is under way.
  void Finish(const absl::Status& status) { call_->stream.Finish(ToGrpc(status), finished_.Tag()); }

  virtual void OnWriteDone(bool ok) = 0;

 protected:
  ~WriteReactor() override = default;

  grpc::ServerContext& context() { return call_->context; }
  const Request& request() const { return call_->request; }

 private:
  void Greeted(bool) { Over(); }
  void Written(bool ok) {
    OnWriteDone(ok);
    Over();
  }
  void Finished(bool) { Over(); }

  const std::unique_ptr<Call> call_;
  Operation<WriteReactor, &WriteReactor::Greeted> greeted_{this};
  Operation<WriteReactor, &WriteReactor::Written> written_{this};
  Operation<WriteReactor, &WriteReactor::Finished> finished_{this};
};

// Refuses a call with a status. Deletes itself.
template <typename Request, typename Response>
class Refusal final : public WriteReactor<Request, Response> {
 public:
  using typename WriteReactor<Request, Response>::Call;

  static Reactor* Make(std::unique_ptr<Call> call, const absl::Status& why) {
    auto* refusal = new Refusal(std::move(call));
    refusal->Finish(why);
    return refusal;
  }

  void OnWriteDone(bool) override {}
  void OnDone() override { delete this; }

 private:
  using WriteReactor<Request, Response>::WriteReactor;
  ~Refusal() override = default;
};

}  // namespace sluice::server
