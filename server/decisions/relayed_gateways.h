#pragma once

#include <map>
#include <string>

#include "server/decisions/decision_entries.h"
#include "server/decisions/decision_log.h"
#include "server/gateways/registry.h"

namespace sluice::server {

// The gateways whose packets come on one relay's stream, each entered into the log under its own
// name. They are known to the registry for as long as the stream is up. One thread.
class RelayedGateways final {
 public:
  // Neither is owned. Those that cannot be known are entered as `relay`, which is.
  RelayedGateways(std::string relay, std::string address, DecisionLog* log, Registry* registry);
  // Must have been left.
  ~RelayedGateways() = default;
  RelayedGateways(const RelayedGateways&) = delete;
  RelayedGateways& operator=(const RelayedGateways&) = delete;

  const DecisionEntries& Of(const std::string& gateway);
  void Leave();

 private:
  const std::string relay_;
  const std::string address_;
  DecisionLog* const log_;    // Not owned.
  Registry* const registry_;  // Not owned.
  const DecisionEntries own_;
  std::map<std::string, DecisionEntries> entries_;
};

}  // namespace sluice::server
