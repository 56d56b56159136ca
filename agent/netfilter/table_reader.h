#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/table_layout.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_socket.h"

namespace sluice::agent {

// Asks the kernel for the table, these of its chains, all rules and the counters, in one consistent
// state. nullopt: there is no such table.
absl::StatusOr<std::optional<TableShape>> ReadTableShape(const std::vector<TableChain>& chains,
                                                         TableSocket& socket);

// The same of the table and its counters alone.
absl::StatusOr<std::optional<TableShape>> ReadTableCounters(TableSocket& socket);

}  // namespace sluice::agent
