#pragma once

#include <ostream>

#include "agent/config/agent_config.pb.h"

namespace sluice::agent {

// `sluice-agent --check`: whether an agent with this configuration would work on this machine.
// Prints a line for each thing looked at,
//
//   ok   WHAT
//   FAIL WHAT: WHY; WHAT TO DO
//   note WHAT TO KNOW
//
// and returns whether there was no FAIL. Tries for real, as the user the agent would become, and
// changes nothing: what would disturb running traffic is tried in a network namespace of its own.
//
// To be called in a process without other threads and before gRPC is used: it forks. Takes at
// most a second a server, and 10 s should the kernel hang.
bool Check(const AgentConfig& config, std::ostream& out);

}  // namespace sluice::agent
