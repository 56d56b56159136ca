#pragma once

#include <cstdint>

#include "agent/netfilter/remembered_slot.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// The chain of table inet sluice that forwarded packets meet first.
inline constexpr char kPrepareChain[] = "prepare";

// Chains that are only jumped to.
inline constexpr char kRefusedChain[] = "refused";    // Looks up what is refused.
inline constexpr char kAcceptedChain[] = "accepted";  // Looks up what is accepted.
inline constexpr char kRememberChain[] = "remember";  // Enters what a verdict's slot says.
inline constexpr char kMarkChain[] = "mark";          // Marks accepted connections.
inline constexpr char kRefreshChain[] = "refresh";    // Prolongs refused connections.
inline constexpr char kRefuseChain[] = "refuse";      // Tells the sender, and drops.
inline constexpr char kLearnChain[] = "learn";        // Before it, of sources; early_refusal.h.

// Which bits are the agent's.
struct RememberMarks {
  uint32_t mark_mask = 0;
  uint32_t connection_mark_mask = 0;
  // Connections are tracked: their zones are told apart, and floods of refused sources are dropped
  // early; see early_refusal.h.
  bool tracks = true;
};

// Adds the rule of `prepare` that knows accepted connections: those whose mark is that of the two
// devices the packet passes.
void AddAcceptedConnections(const RememberMarks& marks, TableTransaction& transaction);

// Adds the rules that remember them, slots kConnectionSlot and kEnteredConnectionSlot; the marks of
// the former are added by AddConnectionMark. Those that are not tracked, multicast for one, are
// known by their addresses and ports, one way, and for a minute.
//
// Others' rules may wipe the marks. A connection that is remembered anew counts as wiped if it was
// before, twice within a minute, and does not bear the mark.
//
// A connection that another one announced (FTP's data) inherits that one's mark from the kernel. It
// is one of its own: its first packet is asked about, and loses the mark.
void AddRememberedConnections(const RememberMarks& marks, TableTransaction& transaction);

// Adds that accepted connections between the slot's devices bear its mark. No rule may use it yet.
void AddConnectionMark(const RememberMarks& marks, const RememberedSlot& slot,
                       TableTransaction& transaction);

// Adds the rules of any other slot; `first`: it is the first of its scope that accepts, or that
// refuses.
//
// What packets are known by: remembered_keys.h. A connection that has been let through before is
// entered for both directions.
void AddRememberedSlot(const RememberMarks& marks, const RememberedSlot& slot, bool first,
                       TableTransaction& transaction);

}  // namespace sluice::agent
