#pragma once

#include "agent/counters.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// What becomes of a packet without a verdict. Malformed packets drop whatever the operator chose:
// no decider could have read them either. Once the mode is off everything is forwarded.
inline Passed Fallback(v1::Cause cause, bool fail_open) {
  if (cause == v1::CAUSE_MALFORMED) return Passed::kDropped;
  if (cause == v1::CAUSE_MODE_OFF) return Passed::kAccepted;
  return fail_open ? Passed::kAccepted : Passed::kDropped;
}

}  // namespace sluice::agent
