#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

// The named counters of table inet sluice (nft(8): `counter`; `nft list counters` shows them), in
// packets. Rules refer to them. They stay when rules are replaced and go only with the table. So
// they continue from one agent to the next.
enum class TableCounter : uint8_t {
  kAsked,            // Reached the ask rule.
  kUnheardDropped,   // Of these, dropped by the guard because nobody listened.
  kUnheardAccepted,  // Of these, accepted though nobody listened.
  kGuardDropped,     // Dropped by the guard; had not reached the ask rule.
  kExempted,         // Accepted by chain exempt without asking.

  // Decided by remembered verdicts on connections and on addresses.
  kAcceptedConnection,
  kAcceptedAddress,
  kDroppedConnection,
  kDroppedAddress,
  kDroppedEarly,  // By address, where they came in; see early_drop.h.
  // Had a verdict to be remembered; of these, the verdict could be remembered.
  kEntered,
  kKept,
  kWiped,  // Of kEntered, from accepted connections whose marks others had wiped.

  kUntracked,  // Sent to many; see multicast.h.

  // Dropped by a verdict that asks for a notice; see notify_rules.h.
  kTold,
  kNoneDue,
  kNoWayBack,
};
inline constexpr size_t kTableCounters = static_cast<size_t>(TableCounter::kNoWayBack) + 1;

// The name that nft shows.
const char* NameOf(TableCounter counter);

// Adds the creation of all counters, at 0. Counters that exist stay as they are.
void AddCounters(TableTransaction& transaction);

}  // namespace sluice::agent
