#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/nftables/table_socket.h"
#include "agent/netfilter/table/table_layout.h"
#include "agent/netfilter/table/table_shape.h"

namespace sluice::agent {

// Asks the kernel for the table, those of its chains, all rules and the counters, in one consistent
// state. nullopt: there is no such table.
absl::StatusOr<std::optional<TableShape>> ReadTableShape(const std::vector<TableChain>& chains,
                                                         TableSocket& socket);

// The same, for the table and its counters alone.
absl::StatusOr<std::optional<TableShape>> ReadTableCounters(TableSocket& socket);

}  // namespace sluice::agent
