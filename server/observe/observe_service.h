#pragma once

#include <atomic>

#include "server/decisions/decision_log.h"
#include "server/flows/flows.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "sluice/v1/observe.grpc.pb.h"

namespace sluice::server {

// ObserveService: shows the decision log and the flows to whoever asks, at most kObservers at a
// time (RESOURCE_EXHAUSTED). What an observer wants of the past is collected by the worker.
// Called by gRPC.
class ObserveServiceImpl final : public v1::ObserveService::CallbackService {
 public:
  // Each may hold some tens of megabytes of the past it has not read yet.
  static constexpr int kObservers = 64;
  // Entries of the past one call may ask for; a larger `last` means this many.
  static constexpr uint32_t kMaxLast = 110'000;

  ObserveServiceImpl(DecisionLog* log, Flows* flows, Worker* worker, Ticker* ticker);

  grpc::ServerWriteReactor<v1::ObserveDecisionsResponse>* ObserveDecisions(
      grpc::CallbackServerContext* context, const v1::ObserveDecisionsRequest* request) override;
  grpc::ServerWriteReactor<v1::ObserveConnectionsResponse>* ObserveConnections(
      grpc::CallbackServerContext* context, const v1::ObserveConnectionsRequest* request) override;

 private:
  DecisionLog* const log_;  // Not owned, nor are these.
  Flows* const flows_;
  Worker* const worker_;
  Ticker* const ticker_;
  std::atomic<int> observers_{0};
};

}  // namespace sluice::server
