#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "server/calls/bidi_reactor.h"
#include "server/calls/call_acceptor.h"
#include "server/calls/call_queue.h"
#include "server/calls/unary_call.h"
#include "server/calls/write_reactor.h"

namespace sluice::server {

// HandleCalls opens an acceptor for the calls of one method. `ask` is the function that protoc
// generated to ask for them, such as AsyncService::RequestDecide. `service` is not owned and
// outlives the server.

// For a method with a stream in each direction. `handle` makes the call's reactor.
template <typename Service, typename Generated, typename Request, typename Response>
void HandleCalls(
    CallQueue* queue, Service* service,
    void (Generated::*ask)(grpc::ServerContext*, grpc::ServerAsyncReaderWriter<Response, Request>*,
                           grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::type_identity_t<std::function<Reactor*(std::unique_ptr<BidiCall<Request, Response>>)>>
        handle) {
  using Call = BidiCall<Request, Response>;
  CallAcceptor<Call>::Open(
      queue,
      [queue, service, ask](Call* call, void* tag) {
        (service->*ask)(&call->context, &call->stream, queue->get(), queue->get(), tag);
      },
      [handle = std::move(handle)](std::unique_ptr<Call> call) {
        // Lives until the reactor has been notified.
        CallEnd& departure = call->departure;
        departure.TellTo(handle(std::move(call)));
      });
}

// For a method that is answered by a stream. `handle` makes the call's reactor.
template <typename Service, typename Generated, typename Request, typename Response>
void HandleCalls(
    CallQueue* queue, Service* service,
    void (Generated::*ask)(grpc::ServerContext*, Request*, grpc::ServerAsyncWriter<Response>*,
                           grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::type_identity_t<std::function<Reactor*(std::unique_ptr<WriteCall<Request, Response>>)>>
        handle) {
  using Call = WriteCall<Request, Response>;
  CallAcceptor<Call>::Open(
      queue,
      [queue, service, ask](Call* call, void* tag) {
        (service->*ask)(&call->context, &call->request, &call->stream, queue->get(), queue->get(),
                        tag);
      },
      [handle = std::move(handle)](std::unique_ptr<Call> call) {
        CallEnd& departure = call->departure;
        departure.TellTo(handle(std::move(call)));
      });
}

// For a method that is answered once. `handle` sees to it that the call's Finish is called.
template <typename Service, typename Generated, typename Request, typename Response>
void HandleCalls(CallQueue* queue, Service* service,
                 void (Generated::*ask)(grpc::ServerContext*, Request*,
                                        grpc::ServerAsyncResponseWriter<Response>*,
                                        grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                        void*),
                 std::type_identity_t<std::function<void(UnaryCall<Request, Response>*)>> handle) {
  using Call = UnaryCall<Request, Response>;
  CallAcceptor<Call>::Open(
      queue,
      [queue, service, ask](Call* call, void* tag) {
        (service->*ask)(&call->context, &call->request, &call->responder, queue->get(),
                        queue->get(), tag);
      },
      [handle = std::move(handle)](std::unique_ptr<Call> call) { handle(call.release()); });
}

}  // namespace sluice::server
