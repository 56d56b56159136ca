#pragma once

#include <string>

#include "sluice/v1/control.pb.h"

namespace sluice::server {

// "FILE:LINE:COLUMN: `kind`message", the line of the policy it is in, and below that `^~~~` under
// what is meant. Included files are called by their path, as seen from where the policy's own is.
std::string FormatProblem(const v1::PolicyText& policy, const v1::PolicyProblem& problem,
                          const std::string& kind);

}  // namespace sluice::server
