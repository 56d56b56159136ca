#pragma once

#include <string_view>
#include <vector>

#include "agent/config/agent_config.pb.h"
#include "agent/config/message_reader.h"
#include "agent/config/yaml_tree.h"

namespace sluice::agent {

// Checks what a key's type and range cannot say: adds a problem for each value of `config` that
// makes no sense by its form or beside another value. Places come from `places`, else they are the
// file's beginning.
void CheckRules(const AgentConfig& config, const KeyPlaces& places, std::vector<Problem>& problems);

// "192.0.2.1:7654", "[2001:db8::1]:7654", "name:7654" or "unix:/path". gRPC would take more, and
// would take a missing port for 443.
bool IsServerAddress(std::string_view text);

}  // namespace sluice::agent
