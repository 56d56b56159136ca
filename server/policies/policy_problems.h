#pragma once

#include <string>

#include "sluice/v1/control.pb.h"

namespace sluice::server {

// "FILE:LINE:COLUMN: `kind`message", then the line of the policy, and below it `^~~~` under the
// place that is meant. Included files are shown by their path relative to the policy's folder.
std::string FormatProblem(const v1::PolicyText& policy, const v1::PolicyProblem& problem,
                          const std::string& kind);

}  // namespace sluice::server
