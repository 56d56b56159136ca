#pragma once

#include "agent/check_report.h"
#include "agent/config/agent_config.pb.h"

namespace sluice::agent {

// Parts of Check that look at how this machine is set up and who else is at work on it. They
// read, as the user who started the check.

// Whether somebody has the configured queues.
void CheckQueueOwners(const AgentConfig& config, CheckReport& report);

// Other people's nftables rules that collide with the agent's or lead packets past it.
void CheckForeignRules(const AgentConfig& config, CheckReport& report);

// What forwards packets, or may, without any rule seeing them: offloaded connections, eBPF.
void CheckBypasses(CheckReport& report);

// The sysctls of connection tracking.
void CheckConntrackSettings(const AgentConfig& config, CheckReport& report);

// Whether this machine forwards at all.
void CheckForwarding(CheckReport& report);

}  // namespace sluice::agent
