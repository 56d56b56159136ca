#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/table_layout.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_socket.h"

namespace sluice::agent {

// Asks the kernel for the table, these of its chains, and all rules, in one consistent state.
// nullopt: there is no such table.
absl::StatusOr<std::optional<TableShape>> ReadTableShape(const std::vector<TableChain>& chains,
                                                         TableSocket& socket);

}  // namespace sluice::agent
