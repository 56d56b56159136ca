#pragma once

#include <memory>

#include "server/calls/bidi_reactor.h"
#include "server/control/policy_store.h"
#include "server/control/policy_trials.h"
#include "server/deciders/deciders.h"
#include "server/decisions/decision_log.h"
#include "server/gateways/registry.h"
#include "server/screen/screens.h"
#include "server/streams/ticker.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "third_party/daemon/log_limit.h"

namespace sluice::server {

// What Decide streams work with; not owned.
struct DecideParts {
  const PolicyStore* policies;
  PolicyTrials* trials;
  Screens* screens;
  Deciders* deciders;
  DecisionLog* log;
  Registry* registry;
  Ticker* ticker;
  uint32_t run;  // ServerOptions's.
  // Of verdicts that were not carried out; DecisionServiceImpl's.
  LogLimit* error_lines = nullptr;
};

// One Decide stream. Deletes itself.
Reactor* BeginDecide(std::unique_ptr<BidiCall<v1::DecideRequest, v1::DecideResponse>> call,
                     const DecideParts& parts);

}  // namespace sluice::server
