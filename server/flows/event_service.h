#pragma once

#include "server/calls/methods.h"
#include "server/flows/flows.h"
#include "server/gateways/registry.h"
#include "server/journal/decision_log.h"
#include "server/streams/ticker.h"
#include "sluice/v1/event.pb.h"

namespace sluice::server {

// EventService: puts the events that gateways report into the flows, the decision log and the
// registry.
class EventServiceImpl final {
 public:
  EventServiceImpl(Flows* flows, DecisionLog* log, Registry* registry, Ticker* ticker);

  void AddTo(Methods* methods);

 private:
  Flows* const flows_;  // Not owned, nor are the next three.
  DecisionLog* const log_;
  Registry* const registry_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
