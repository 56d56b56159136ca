#pragma once

#include "server/control/policy_store.h"
#include "server/decisions/decision_log.h"
#include "server/gateways/registry.h"
#include "server/streams/ticker.h"
#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::server {

// DecisionService: decides by the current policy and enters what it decided into the log.
// Called by gRPC.
class DecisionServiceImpl final : public v1::DecisionService::CallbackService {
 public:
  DecisionServiceImpl(const PolicyStore* policies, DecisionLog* log, Registry* registry,
                      Ticker* ticker);

  grpc::ServerBidiReactor<v1::DecideRequest, v1::DecideResponse>* Decide(
      grpc::CallbackServerContext* context) override;

 private:
  const PolicyStore* const policies_;  // Not owned, nor are these.
  DecisionLog* const log_;
  Registry* const registry_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
