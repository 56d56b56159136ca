#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// The named counters of table inet sluice (nft(8): `counter`; `nft list counters` shows them), in
// packets. Rules refer to them. They stay when rules are replaced and go with the table, so they go
// on from one agent to the next.
enum class TableCounter : uint8_t {
  kAsked,            // Reached the ask rule.
  kUnheardDropped,   // Of those, dropped by the guard, as nobody listened.
  kUnheardAccepted,  // The same, let pass.
  kGuardDropped,     // Dropped by the guard though nobody was asked.
  kExempted,         // Passed unasked by chain exempt.

  // Settled by what is remembered: of connections, and from addresses.
  kAcceptedConnection,
  kAcceptedAddress,
  kDroppedConnection,
  kDroppedAddress,
  kDroppedEarly,  // From addresses, where they came in; see early_refusal.h.
  // To be remembered, and those of them that could be.
  kEntered,
  kKept,
  kWiped,  // Accepted connections of them whose marks others had wiped.

  kUntracked,  // To many; see multicast.h.

  // Refused with a notice; see refusal_rules.h.
  kTold,
  kNoneDue,
  kNoWayBack,
};
inline constexpr size_t kTableCounters = static_cast<size_t>(TableCounter::kNoWayBack) + 1;

// As nft shows it.
const char* NameOf(TableCounter counter);

// Adds the making of them all, at 0; those that are there stay as they are.
void AddCounters(TableTransaction& transaction);

}  // namespace sluice::agent
