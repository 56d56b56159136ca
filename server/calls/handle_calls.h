#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "server/calls/bidi_reactor.h"
#include "server/calls/call_queue.h"
#include "server/calls/door.h"
#include "server/calls/unary_call.h"
#include "server/calls/write_reactor.h"

namespace sluice::server {

// HandleCalls has the calls of one method handled: `ask` is what protoc generated to ask for them,
// Service::RequestMethod. `service` is not owned and outlives the server.

// Of a method with a stream in each direction. `handle` makes the call's reactor.
template <typename Service, typename Generated, typename Request, typename Response>
void HandleCalls(
    CallQueue* queue, Service* service,
    void (Generated::*ask)(grpc::ServerContext*, grpc::ServerAsyncReaderWriter<Response, Request>*,
                           grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::type_identity_t<std::function<Reactor*(std::unique_ptr<BidiCall<Request, Response>>)>>
        handle) {
  using Call = BidiCall<Request, Response>;
  Door<Call>::Open(
      queue,
      [queue, service, ask](Call* call, void* tag) {
        (service->*ask)(&call->context, &call->stream, queue->get(), queue->get(), tag);
      },
      [handle = std::move(handle)](std::unique_ptr<Call> call) {
        // There until the reactor was told by it.
        Departure& departure = call->departure;
        departure.TellTo(handle(std::move(call)));
      });
}

// Of a method that is answered by a stream. `handle` makes the call's reactor.
template <typename Service, typename Generated, typename Request, typename Response>
void HandleCalls(
    CallQueue* queue, Service* service,
    void (Generated::*ask)(grpc::ServerContext*, Request*, grpc::ServerAsyncWriter<Response>*,
                           grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::type_identity_t<std::function<Reactor*(std::unique_ptr<WriteCall<Request, Response>>)>>
        handle) {
  using Call = WriteCall<Request, Response>;
  Door<Call>::Open(
      queue,
      [queue, service, ask](Call* call, void* tag) {
        (service->*ask)(&call->context, &call->request, &call->stream, queue->get(), queue->get(),
                        tag);
      },
      [handle = std::move(handle)](std::unique_ptr<Call> call) {
        Departure& departure = call->departure;
        departure.TellTo(handle(std::move(call)));
      });
}

// Of a method that is answered once. `handle` has the call finished.
template <typename Service, typename Generated, typename Request, typename Response>
void HandleCalls(CallQueue* queue, Service* service,
                 void (Generated::*ask)(grpc::ServerContext*, Request*,
                                        grpc::ServerAsyncResponseWriter<Response>*,
                                        grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                        void*),
                 std::type_identity_t<std::function<void(UnaryCall<Request, Response>*)>> handle) {
  using Call = UnaryCall<Request, Response>;
  Door<Call>::Open(
      queue,
      [queue, service, ask](Call* call, void* tag) {
        (service->*ask)(&call->context, &call->request, &call->responder, queue->get(),
                        queue->get(), tag);
      },
      [handle = std::move(handle)](std::unique_ptr<Call> call) { handle(call.release()); });
}

}  // namespace sluice::server
