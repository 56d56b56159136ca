#pragma once

#include "agent/config/agent_config.pb.h"
#include "agent/netfilter/table.h"

namespace sluice::agent {

// The table a configuration asks for. It must have been read by ReadConfig: what makes no sense is
// left out.
TableOptions TableOptionsOf(const AgentConfig& config);

}  // namespace sluice::agent
