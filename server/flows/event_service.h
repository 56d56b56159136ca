#pragma once

#include "server/decisions/decision_log.h"
#include "server/flows/flows.h"
#include "server/gateways/registry.h"
#include "server/streams/ticker.h"
#include "sluice/v1/event.grpc.pb.h"

namespace sluice::server {

// EventService: takes what happens on gateways into the flows, the decision log and the
// registry. Called by gRPC.
class EventServiceImpl final : public v1::EventService::CallbackService {
 public:
  EventServiceImpl(Flows* flows, DecisionLog* log, Registry* registry, Ticker* ticker);

  grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* Report(
      grpc::CallbackServerContext* context) override;

 private:
  Flows* const flows_;  // Not owned, nor are these.
  DecisionLog* const log_;
  Registry* const registry_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
