#pragma once

#include "absl/status/statusor.h"

namespace sluice::agent {

// Takes out what an agent left in this network namespace, whatever its configuration was; false if
// there was nothing. FAILED_PRECONDITION: an agent runs; the message names it.
absl::StatusOr<bool> Release();

}  // namespace sluice::agent
