#pragma once

#include <string>

#include "grpc/health/v1/health.pb.h"
#include "server/calls/methods.h"
#include "server/streams/ticker.h"

namespace sluice::server {

// gRPC's Health: says that this server and its services serve. A server that goes down ends its
// watchers' calls, as all others.
class HealthService final {
 public:
  // Not owned; both outlive the service.
  HealthService(const Methods* methods, Ticker* ticker) : methods_(methods), ticker_(ticker) {}

  void AddTo(Methods* methods);

 private:
  // Whether the server has that service; "" stands for the server itself.
  bool Serves(const std::string& service) const;

  const Methods* const methods_;  // Not owned.
  Ticker* const ticker_;          // Not owned.
};

}  // namespace sluice::server
