#pragma once

#include <memory>

#include "server/calls/bidi_reactor.h"
#include "server/deciders/deciders.h"
#include "server/gateways/registry.h"
#include "server/journal/decision_log.h"
#include "server/policies/policy_store.h"
#include "server/screen/screeners.h"
#include "server/streams/ticker.h"
#include "server/trials/policy_trials.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice::server {

// What Decide streams work with. Not owned.
struct DecideParts {
  const PolicyStore* policies;
  PolicyTrials* trials;
  Screeners* screeners;
  Deciders* deciders;
  DecisionLog* log;
  Registry* registry;
  Ticker* ticker;
  uint32_t incarnation;  // ServerOptions::incarnation.
  // Limits log lines about verdicts that were not carried out. Owned by DecisionServiceImpl.
  LogRateLimiter* error_lines = nullptr;
};

// Makes the reactor of one Decide stream. It deletes itself.
void BeginDecide(std::shared_ptr<Call> call, const DecideParts& parts);

}  // namespace sluice::server
