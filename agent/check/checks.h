#pragma once

#include <string>

#include "agent/check/check_report.h"
#include "agent/config/agent_config.pb.h"

namespace sluice::agent {

// Parts of Check that ask the kernel, in child processes, with the rights the agent would have.

// In the network namespace the agent will work in: user and capability, queueing, the queue
// listing, conntrack, receive buffers, and the agent's nftables table, which the kernel checks
// without making it.
void CheckRightsAndKernel(const AgentConfig& config, CheckReport& report);

// Tries what would disturb the running namespace in a fresh one, where that is permitted: binding a
// queue with this configuration's options, subscribing to conntrack events.
void CheckQueuesScratch(const AgentConfig& config, CheckReport& report);

// Parts of Check that look at how this machine is set up and who else is at work on it. They only
// read, as the user who started the check.

// Whether somebody holds the configured queues.
void CheckQueueOwners(const AgentConfig& config, CheckReport& report);

// Other people's nftables rules that collide with the agent's or lead packets past it.
void CheckForeignRules(const AgentConfig& config, CheckReport& report);

// What forwards packets, or may, without any rule seeing them: offloaded connections, eBPF.
void CheckBypasses(CheckReport& report);

// The sysctls of connection tracking.
void CheckConntrackSettings(const AgentConfig& config, CheckReport& report);

// Whether this machine forwards at all.
void CheckForwarding(CheckReport& report);

// Whether a decider answers at `server`: opens a Decide stream as the agent does and ends it
// without having said anything, so that the decider takes no gateway for connected. Takes at most a
// second.
void CheckServer(const std::string& server, CheckReport& report);

}  // namespace sluice::agent
