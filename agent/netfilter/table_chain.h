#pragma once

#include <cstdint>
#include <optional>

#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// A chain of table inet sluice, and where the kernel enters it; one without a hook is only jumped
// to.
struct TableChain {
  struct Hook {
    uint32_t number;
    int32_t priority;
  };
  const char* name;
  std::optional<Hook> hook;
};

// Adds the making of a chain, or, if it is there, its policy: NF_ACCEPT or NF_DROP.
void AddChain(const TableChain& chain, uint32_t policy, TableTransaction& transaction);

// Adds the removal of a chain's rules; nullptr: of all rules of the table.
void FlushChain(const char* name, TableTransaction& transaction);

}  // namespace sluice::agent
