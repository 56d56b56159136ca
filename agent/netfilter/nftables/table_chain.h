#pragma once

#include <cstdint>
#include <optional>

#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

// A chain of table inet sluice, and where the kernel enters it. A chain without a hook is only
// jumped to.
struct TableChain {
  struct Hook {
    uint32_t number;
    int32_t priority;
  };
  const char* name;
  std::optional<Hook> hook;
};

// Adds the creation of a chain with that policy, NF_ACCEPT or NF_DROP. A chain that exists only
// gets the policy.
void AddChain(const TableChain& chain, uint32_t policy, TableTransaction& transaction);

// Adds the removal of all rules of a chain; nullptr: of all rules of the table.
void FlushChain(const char* name, TableTransaction& transaction);

}  // namespace sluice::agent
