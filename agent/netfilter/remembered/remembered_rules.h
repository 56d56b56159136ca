#pragma once

#include <cstdint>

#include "agent/netfilter/nftables/table_transaction.h"
#include "agent/netfilter/remembered/remembered_slot.h"

namespace sluice::agent {

// The chain of table inet sluice that forwarded packets meet first.
inline constexpr char kPrepareChain[] = "prepare";

// Chains that are only jumped to.
inline constexpr char kDroppedChain[] = "dropped";    // Looks up what is dropped.
inline constexpr char kAcceptedChain[] = "accepted";  // Looks up what is accepted.
inline constexpr char kRememberChain[] = "remember";  // Remembers verdicts as their slot says.
inline constexpr char kMarkChain[] = "mark";          // Marks accepted connections.
inline constexpr char kRefreshChain[] = "refresh";    // Prolongs dropped connections.
inline constexpr char kNotifyChain[] = "notify";      // Sends a notice, and drops.
inline constexpr char kLearnChain[] = "learn";        // Before notify, for sources; early_drop.h.

// Which bits are the agent's.
struct RememberMarks {
  uint32_t mark_mask = 0;
  uint32_t connection_mark_mask = 0;
  // Connections are tracked: keys hold their zones, and floods of dropped sources are dropped
  // early; see early_drop.h.
  bool tracks = true;
};

// Adds the rule of `prepare` that recognizes accepted connections: their mark is that of the two
// devices that the packet passes.
void AddAcceptedConnections(const RememberMarks& marks, TableTransaction& transaction);

// Adds the rules that remember accepted connections, for slots kConnectionSlot and
// kEnteredConnectionSlot. AddConnectionMark adds the marks for kConnectionSlot. Connections that
// are not tracked, such as multicast, are remembered by their addresses and ports, in one
// direction, for a minute.
//
// Others' rules may wipe the marks. A connection that is remembered again counts as wiped if it
// does not bear the mark and has been remembered in the last minute, its first packet not counted.
//
// A connection that another one announced (FTP data) inherits the other's mark from the kernel. We
// treat it as a connection of its own: its first packet loses the mark and is asked about.
void AddRememberedConnections(const RememberMarks& marks, TableTransaction& transaction);

// Adds the rules that give accepted connections between the slot's devices its mark. No rule may
// use the mark yet.
void AddConnectionMark(const RememberMarks& marks, const RememberedSlot& slot,
                       TableTransaction& transaction);

// Adds the rules of any other slot. `first`: it is the first of its scope that accepts, or the
// first that drops.
//
// remembered_keys.h says how packets are recognized. A connection of which packets were accepted
// before is entered for both directions.
void AddRememberedSlot(const RememberMarks& marks, const RememberedSlot& slot, bool first,
                       TableTransaction& transaction);

}  // namespace sluice::agent
