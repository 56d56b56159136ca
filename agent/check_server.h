#pragma once

#include <string>

#include "agent/check_report.h"

namespace sluice::agent {

// Whether a decider answers at `server`: opens a Decide stream the way the agent does and ends it
// without having said anything, so that the decider takes nobody for connected. Takes at most a
// second.
void CheckServer(const std::string& server, CheckReport& report);

}  // namespace sluice::agent
