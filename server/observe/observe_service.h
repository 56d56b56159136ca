#pragma once

#include <memory>

#include "server/calls/methods.h"
#include "server/flows/flows.h"
#include "server/journal/decision_log.h"
#include "server/streams/places.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "sluice/v1/observe.pb.h"

namespace sluice::server {

// ObserveService: shows the decision log and the flows to observers, at most kObservers at a time
// and a quarter of them for one peer (RESOURCE_EXHAUSTED). The worker collects the history that an
// observer asks for.
class ObserveServiceImpl final {
 public:
  // Each may hold some tens of megabytes of history that it has not read yet.
  static constexpr size_t kObservers = 64;
  // Entries of history that one call may ask for; a larger `last` means this many.
  static constexpr uint32_t kMaxLast = 110'000;

  ObserveServiceImpl(DecisionLog* log, Flows* flows, Worker* worker, Ticker* ticker);

  void AddTo(Methods* methods);

 private:
  void ObserveDecisions(WriteCall<v1::ObserveDecisionsRequest>&& call);
  void ObserveConnections(WriteCall<v1::ObserveConnectionsRequest>&& call);

  DecisionLog* const log_;  // Not owned, nor are the next three.
  Flows* const flows_;
  Worker* const worker_;
  Ticker* const ticker_;
  Places observers_{"observers", kObservers};
};

}  // namespace sluice::server
