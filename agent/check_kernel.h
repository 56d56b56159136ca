#pragma once

#include "agent/check_report.h"
#include "agent/config/agent_config.pb.h"

namespace sluice::agent {

// Parts of Check that ask the kernel, in child processes, with the rights the agent would have.

// In the network namespace the agent will work in: user and capability, queueing, the queue
// listing, conntrack, receive buffers, and the agent's nftables table, which the kernel checks
// without making it.
void CheckRightsAndKernel(const AgentConfig& config, CheckReport& report);

// What would disturb in the running namespace, tried in a fresh one where that is permitted:
// binding a queue with this configuration's options, subscribing to conntrack events.
void CheckQueuesScratch(const AgentConfig& config, CheckReport& report);

}  // namespace sluice::agent
