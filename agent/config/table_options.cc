#include "agent/config/table_options.h"

#include <string>
#include <string_view>

#include "agent/config/exemptions.h"

namespace sluice::agent {

TableOptions TableOptionsOf(const AgentConfig& config) {
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
