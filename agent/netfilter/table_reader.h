#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_socket.h"

namespace sluice::agent {

// Asks the kernel for the table and those of its chains that `made` has, and all rules, in one
// consistent state. nullopt: there is no such table.
absl::StatusOr<std::optional<TableShape>> ReadTableShape(const TableShape& made,
                                                         TableSocket& socket);

}  // namespace sluice::agent
