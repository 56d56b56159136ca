#pragma once

#include "server/gateways/registry.h"
#include "server/streams/ticker.h"
#include "sluice/v1/command.grpc.pb.h"

namespace sluice::server {

// CommandService: keeps the Serve streams and puts them into the registry. Called by gRPC.
class CommandServiceImpl final : public v1::CommandService::CallbackService {
 public:
  CommandServiceImpl(Registry* registry, Ticker* ticker);

  grpc::ServerBidiReactor<v1::ServeRequest, v1::ServeResponse>* Serve(
      grpc::CallbackServerContext* context) override;

 private:
  Registry* const registry_;  // Not owned.
  Ticker* const ticker_;      // Not owned.
};

// The status a command fails with: code, message, and SystemError as details.
grpc::Status ToStatus(const v1::CommandError& error);

}  // namespace sluice::server
