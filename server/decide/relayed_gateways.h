#pragma once

#include <map>
#include <string>

#include "server/gateways/registry.h"
#include "server/journal/decision_entries.h"
#include "server/journal/decision_log.h"

namespace sluice::server {

// The gateways whose packets come on one relay's stream. Decisions on them are logged under each
// gateway's own name. The registry knows these gateways for as long as the stream is up. One
// thread.
class RelayedGateways final {
 public:
  // Neither pointer is owned. `relay` has joined the registry. Gateways that cannot join it are
  // logged under `relay`.
  RelayedGateways(std::string relay, std::string address, DecisionLog* log, Registry* registry);
  // Leave must have been called.
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
