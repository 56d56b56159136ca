#pragma once

#include <cstdint>
#include <vector>

#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/nftables/table_chain.h"
#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

// Packets of a source that is dropped without a notice are dropped where they come in, before the
// kernel tracks their connection and looks up their route. Those two steps are most of the cost of
// a flood. But only the forward hook, which comes later, knows which packets are to be forwarded.
// So a packet that is dropped there is a lesson: later packets that come by the same interface,
// from and to the same addresses, in the same zone of connection tracking, by the same protocol to
// the same port, are dropped early, as long as a remembered verdict drops their source.
//
// No lesson is learned from packets that others' rules have translated, as those rules may send the
// next one elsewhere, such as into the gateway itself; from ICMP errors, which go where the
// connection is that they are about; or from packets that were not sent to the gateway alone, such
// as multicast.
//
// The chains are created for the first such source, because a chain costs every packet some 50 ns.
// Then they stay with the table, because the kernel drops queued packets when a chain goes.
inline constexpr char kEarlyChain[] = "early";    // prerouting, before tracking
inline constexpr char kFloodsChain[] = "floods";  // Only jumped to. Counts and drops.
// Chain `dropped` sends these packets to chain `learn`; both are in remembered_rules.h.
std::vector<TableChain> EarlyChains();

// Adds the chains, maps and rules. The maps of remembered sources must exist; the chains and maps
// may exist. FlushEarlyDrops adds the removal of the rules.
void AddEarlyDrops(uint32_t mark_mask, const std::vector<ExemptFlow>& exempt,
                   TableTransaction& transaction);
void FlushEarlyDrops(TableTransaction& transaction);

// How many chains and maps those are.
inline constexpr uint32_t kEarlyObjects = 5;

}  // namespace sluice::agent
