#pragma once

#include "absl/status/status.h"
#include "server/calls/call_queue.h"
#include "server/gateways/registry.h"
#include "server/streams/ticker.h"
#include "sluice/v1/command.grpc.pb.h"

namespace sluice::server {

// CommandService: keeps the Serve streams and puts them into the registry.
class CommandServiceImpl final {
 public:
  CommandServiceImpl(Registry* registry, Ticker* ticker);

  grpc::Service* service() { return &service_; }
  // Called once the server that has the service has started.
  void Open(CallQueue* queue);

 private:
  Registry* const registry_;  // Not owned.
  Ticker* const ticker_;      // Not owned.
  v1::CommandService::AsyncService service_;
};

// The status that reports a gateway's error: code, message, and the SystemError as a payload.
absl::Status ToStatus(const v1::CommandError& error);

}  // namespace sluice::server
