#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/config/agent_config.pb.h"
#include "agent/netfilter/exempt_flow.h"

namespace sluice::agent {

// What `exemption` says; nothing if it makes no sense. Then `refuse` was called for each thing that
// makes none, with its key ("" for the whole) and what is allowed.
std::optional<ExemptFlow> ReadExemption(
    const Exemption& exemption,
    const std::function<void(std::string_view key, std::string text)>& refuse);

}  // namespace sluice::agent
