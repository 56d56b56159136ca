#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/calls/methods.h"
#include "server/edge/grpc_call.h"
#include "server/edge/http.h"

namespace sluice::server {

// Finds who handles a request: the gRPC methods, /healthz, or a refusal. Constant; any thread.
class Routes final {
 public:
  // `methods` is not owned. Pages of these `origins` ("https://example.org") may call by gRPC-Web,
  // as may those from where they call.
  Routes(const Methods* methods, std::vector<std::string> origins);

  std::shared_ptr<HttpHandler> Route(const RequestHead& head, HttpStream* stream,
                                     const GrpcCall::Parts& parts) const;

 private:
  // Whether a page that sends this request may. Not all callers are pages.
  bool Allowed(const RequestHead& head) const;

  const Methods* const methods_;  // Not owned.
  const std::vector<std::string> origins_;
};

}  // namespace sluice::server
