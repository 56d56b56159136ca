#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/config/agent_config.pb.h"

namespace sluice::agent {

// Reads the agent's configuration: YAML whose keys are the fields of AgentConfig. The result is
// complete (absent keys have their presets) and every value is allowed.
//
// INVALID_ARGUMENT otherwise; the message lists every problem of the file, in its order, a line
// each: `FILE:LINE:COLUMN: key.path: what, what is allowed`. Takes any bytes.
absl::StatusOr<AgentConfig> ReadConfig(std::string_view text, std::string_view file_name);

// The same from a file; NOT_FOUND, PERMISSION_DENIED or another errno's code if it cannot be read.
absl::StatusOr<AgentConfig> ReadConfigFile(const std::string& path);

}  // namespace sluice::agent
