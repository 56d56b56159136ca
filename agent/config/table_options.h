#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/config/agent_config.pb.h"
#include "agent/config/exemptions.h"
#include "agent/netfilter/table/table.h"

namespace sluice::agent {

// The table that a configuration asks for. It must come from ReadConfig: exemptions that make no
// sense are left out.
inline TableOptions TableOptionsOf(const AgentConfig& config) {
  TableOptions options = {.first_queue = static_cast<uint16_t>(config.queues().first()),
                          .queue_count = static_cast<uint16_t>(config.queues().count()),
                          .fail_open = config.fail_mode() == FAIL_MODE_OPEN,
                          .mark_mask = config.hook().mark_mask(),
                          .track_connections = config.conntrack().events(),
                          .connection_mark_mask = config.hook().connection_mark_mask(),
                          .remembered_limit = config.hook().remembered_limit()};
  for (const Exemption& exemption : config.exempt()) {
    const auto flow = ReadExemption(exemption, [](std::string_view, const std::string&) {});
    if (flow) options.exempt.push_back(*flow);
  }
  return options;
}

}  // namespace sluice::agent
