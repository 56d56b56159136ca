#pragma once

#include "server/control/policy_store.h"
#include "server/decisions/decision_log.h"
#include "server/gateways/registry.h"
#include "server/screen/screens.h"
#include "server/streams/ticker.h"
#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::server {

// DecisionService: decides by the current policy, or has the gateway's screener decide, and enters
// what was decided into the log. Tells the agents when the policy is another. Called by gRPC.
class DecisionServiceImpl final : public v1::DecisionService::CallbackService {
 public:
  DecisionServiceImpl(const PolicyStore* policies, Screens* screens, DecisionLog* log,
                      Registry* registry, Ticker* ticker);

  grpc::ServerBidiReactor<v1::DecideRequest, v1::DecideResponse>* Decide(
      grpc::CallbackServerContext* context) override;

 private:
  const PolicyStore* const policies_;  // Not owned, nor are these.
  Screens* const screens_;
  DecisionLog* const log_;
  Registry* const registry_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
