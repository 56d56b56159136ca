#pragma once

#include "absl/status/statusor.h"

namespace sluice::agent {

// Takes out what an agent left in this network namespace, whatever its configuration was; false if
// there was nothing. FAILED_PRECONDITION: an agent runs, which the message names.
absl::StatusOr<bool> Release();

}  // namespace sluice::agent
