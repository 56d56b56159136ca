#pragma once

#include "server/calls/methods.h"
#include "server/streams/ticker.h"

namespace sluice::server {

// gRPC's ServerReflection, v1 and v1alpha: tells tools such as grpcurl the services and messages of
// this server.
class ReflectionService final {
 public:
  // Not owned; both outlive the service.
  ReflectionService(const Methods* methods, Ticker* ticker) : methods_(methods), ticker_(ticker) {}

  void AddTo(Methods* methods);

 private:
  const Methods* const methods_;  // Not owned.
  Ticker* const ticker_;          // Not owned.
};

}  // namespace sluice::server
