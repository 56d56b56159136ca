#include "server/decide/relayed_gateways.h"

#include <chrono>
#include <utility>

namespace sluice::server {

// Queue 0: packets from a relay do not tell which queue they came from.
RelayedGateways::RelayedGateways(std::string relay, std::string address, DecisionLog* log,
                                 Registry* registry)
    : relay_(std::move(relay)),
      address_(std::move(address)),
      log_(log),
      registry_(registry),
      own_(log->RingOf(relay_), /*queue=*/0) {}

const DecisionEntries& RelayedGateways::Of(const std::string& gateway) {
  const auto known = entries_.find(gateway);
  if (known != entries_.end()) return known->second;
  const auto joined = registry_->JoinRelay(gateway, address_, std::chrono::system_clock::now());
  if (!joined.ok()) return own_;
  return entries_.emplace(gateway, DecisionEntries(log_->RingOf(gateway), /*queue=*/0))
      .first->second;
}

void RelayedGateways::Leave() {
  const auto now = std::chrono::system_clock::now();
  for (const auto& [gateway, entries] : entries_) registry_->LeaveRelay(gateway, now);
  registry_->LeaveRelay(relay_, now);
}

}  // namespace sluice::server
