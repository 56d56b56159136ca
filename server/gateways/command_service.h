#pragma once

#include "absl/status/status.h"
#include "server/calls/methods.h"
#include "server/gateways/registry.h"
#include "server/streams/places.h"
#include "server/streams/ticker.h"
#include "sluice/v1/command.pb.h"

namespace sluice::server {

// CommandService: keeps the Serve streams and puts them into the registry.
class CommandServiceImpl final {
 public:
  CommandServiceImpl(Registry* registry, Ticker* ticker);

  void AddTo(Methods* methods);

 private:
  Registry* const registry_;  // Not owned.
  Ticker* const ticker_;      // Not owned.
  Places list_bytes_;
};

// The status that reports a gateway's error: code, message, and the SystemError as a payload.
absl::Status ToStatus(const v1::CommandError& error);

}  // namespace sluice::server
