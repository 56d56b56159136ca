#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/calls/call.h"
#include "server/calls/single_request.h"
#include "server/calls/unary_call.h"
#include "server/calls/write_reactor.h"

namespace sluice::server {

// Which threads react to the events of a call.
enum class Lane {
  // The thread that reads the connection. For streams that answer packets: a reaction takes well
  // under a millisecond and waits for nothing.
  kPackets,
  // A few threads for all other calls, so that what their callers ask for holds up no packet.
  kBulk,
};

// A method that is served.
struct Method {
  std::string path = {};  // As in HTTP/2: "/sluice.v1.DecisionService/Decide".
  Lane lane = Lane::kBulk;
  size_t largest_request = 0;                             // bytes of one message
  bool takes_one = false;                                 // request, and not a stream of them
  const google::protobuf::Descriptor* request = nullptr;  // Its type.
  // Called for each call, on its lane.
  std::function<void(std::shared_ptr<Call> call)> begin = {};
};

// The methods of all services. Filled before the server listens, constant afterwards.
class Methods final {
 public:
  // The largest message of a stream of messages, unless its method says otherwise: gRPC's default.
  static constexpr size_t kLargestMessage = 4 << 20;
  // The largest request of a call that takes one: names, numbers and filters are short.
  static constexpr size_t kLargestRequest = 64 << 10;

  // Adds a method of proto's `service`, such as "sluice.v1.DecisionService". Ends the program if
  // the descriptors say otherwise than the types. `handle` makes the call's reactor, which deletes
  // itself.
  template <typename Request, typename Response>
  void AddBidi(const std::string& service, const std::string& method, Lane lane,
               std::function<void(std::shared_ptr<Call> call)> handle,
               size_t largest_request = kLargestMessage) {
    Add({service, method, Request::descriptor(), Response::descriptor(), true, true},
        {.lane = lane, .largest_request = largest_request, .begin = std::move(handle)});
  }
  // For a method that is answered by a stream.
  template <typename Request, typename Response>
  void AddWriting(const std::string& service, const std::string& method,
                  std::function<void(WriteCall<Request>&& call)> handle,
                  size_t largest_request = kLargestRequest) {
    Add({service, method, Request::descriptor(), Response::descriptor(), false, true},
        {.largest_request = largest_request,
         .begin = Taking<Request>(
             [handle = std::move(handle)](std::shared_ptr<Call> call, Request&& request) {
               handle({std::move(call), std::move(request)});
             })});
  }
  // For a method that is answered once, after a stream of requests. `handle` makes the call's
  // reactor, which deletes itself.
  template <typename Request, typename Response>
  void AddReading(const std::string& service, const std::string& method,
                  std::function<void(std::shared_ptr<Call> call)> handle) {
    Add({service, method, Request::descriptor(), Response::descriptor(), true, false},
        {.largest_request = kLargestMessage, .begin = std::move(handle)});
  }
  // For a method that is answered once. `handle` sees to it that the call's Finish is called.
  template <typename Request, typename Response>
  void AddUnary(const std::string& service, const std::string& method,
                std::function<void(UnaryCall<Request, Response>*)> handle,
                size_t largest_request = kLargestRequest) {
    Add({service, method, Request::descriptor(), Response::descriptor(), false, false},
        {.largest_request = largest_request,
         .begin = Taking<Request>(
             [handle = std::move(handle)](std::shared_ptr<Call> call, Request&& request) {
               handle(new UnaryCall<Request, Response>(std::move(call), std::move(request)));
             })});
  }

  // Nullptr if there is none. Valid as long as this object.
  const Method* Find(std::string_view path) const;
  // Full names, sorted.
  std::vector<std::string> Services() const;

 private:
  struct Described {
    std::string service;
    std::string method;
    const google::protobuf::Descriptor* request;
    const google::protobuf::Descriptor* response;
    bool client_streaming;
    bool server_streaming;
  };

  template <typename Request>
  static std::function<void(std::shared_ptr<Call> call)> Taking(
      typename SingleRequest<Request>::Then then) {
    // The methods outlive every call.
    auto kept = std::make_shared<const typename SingleRequest<Request>::Then>(std::move(then));
    return [kept](std::shared_ptr<Call> call) {
      SingleRequest<Request>::Take(std::move(call), kept.get());
    };
  }

  void Add(const Described& described, Method method);

  absl::flat_hash_map<std::string, Method> methods_;
};

}  // namespace sluice::server
