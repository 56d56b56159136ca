#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "agent/netfilter/remembered_slot.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// The chain of table inet sluice that forwarded packets meet first.
inline constexpr char kPrepareChain[] = "prepare";

// Chains that are only jumped to.
inline constexpr char kRefusedChain[] = "refused";    // Looks up what is refused.
inline constexpr char kAcceptedChain[] = "accepted";  // Looks up what is accepted.
inline constexpr char kRememberChain[] = "remember";  // Enters what a verdict's slot says.
inline constexpr char kRefreshChain[] = "refresh";    // Prolongs refused connections.
inline constexpr char kRefuseChain[] = "refuse";      // Tells the sender, and drops.
inline constexpr char kLearnChain[] = "learn";        // Before it, of sources; early_refusal.h.

// Which bits are the agent's, and what marks a connection accepted now.
struct RememberMarks {
  uint32_t mark_mask = 0;
  uint32_t connection_mark_mask = 0;
  uint32_t generation = 0;  // A GenerationMark; 0: no accepted connections are remembered.
  bool early = true;        // Floods of refused sources are dropped early; see early_refusal.h.
};

// Rules of `refused` whose counters count connections have comments that begin so; the others count
// addresses.
inline constexpr absl::string_view kConnectionsComment = "connections";

// Adds the rule of `prepare` that knows accepted connections.
void AddAcceptedConnections(const RememberMarks& marks, TableTransaction& transaction);

// Adds the rules that remember them, slot kConnectionSlot.
//
// A connection that another one announced (FTP's data) inherits that one's mark from the kernel. It
// is one of its own: its first packet is asked about, and loses the mark.
void AddRememberedConnections(const RememberMarks& marks, TableTransaction& transaction);

// Adds the rules of a slot; `first`: it is the first of its scope that accepts, or that refuses.
//
// A peer is known by the two bytes where TCP, UDP, SCTP, DCCP and UDP-Lite have their destination
// port; with ICMP, which has none, by none. A connection is known by its first packet, so in both
// directions, and through NAT. Counters of chain `remember` stand in pairs: entered, and kept.
void AddRememberedSlot(const RememberMarks& marks, const RememberedSlot& slot, bool first,
                       TableTransaction& transaction);

// Adds the rules of chain `refuse`, where refused packets end.
void AddRefusal(uint32_t mark_mask, TableTransaction& transaction);

}  // namespace sluice::agent
