#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Receives what a Decide stream brings. Called on the loop's thread, from within DecisionClient's
// calls.
class DecisionListener {
 public:
  virtual ~DecisionListener() = default;
  // The stream is up. An error refuses the packet options: the stream is ended and the error's text
  // is logged.
  virtual absl::Status OnWelcome(uint32_t stream, const v1::DecideWelcome& welcome) = 0;
  virtual absl::Status OnRetune(const v1::Retune& retune) = 0;
  virtual void OnVerdicts(uint32_t stream, const v1::VerdictBatch& batch) = 0;
  // The stream is gone; none of its answers will come. Another is being dialled.
  virtual void OnLost() = 0;
  // Every server was tried in vain since the stream was lost, or since the start.
  virtual void OnNobody() = 0;
  // Moves the answers that could not be carried out since the last call to `errors`, for the
  // decider; false if there are none.
  virtual bool TakeErrors(v1::VerdictErrors& errors) = 0;
};

}  // namespace sluice::agent
