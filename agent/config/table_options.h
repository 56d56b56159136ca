#pragma once

#include "agent/config/agent_config.pb.h"
#include "agent/netfilter/table/table.h"

namespace sluice::agent {

// The table that a configuration asks for. It must come from ReadConfig: exemptions that make no
// sense are left out.
TableOptions TableOptionsOf(const AgentConfig& config);

}  // namespace sluice::agent
