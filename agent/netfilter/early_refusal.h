#pragma once

#include <cstdint>
#include <vector>

#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/table_chain.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// Packets of a source that is refused without a word are dropped where they come in, before the
// kernel tracks their connection and finds their route, which is most of what a flood costs. What
// is to be forwarded is only known in the forward hook, after that. So a packet that is refused
// there is a lesson for the next: such as come by the same interface, from and to the same
// addresses, in the same zone of connection tracking, by the same protocol to the same port, are
// dropped early, as long as their source is refused.
//
// Nothing is learned of what others' rules have translated, as those may send the next one
// elsewhere, into the gateway itself for one; nor of ICMP errors, which go where the connection is
// that they are about; nor of what was not sent to the gateway alone, as multicast.
//
// The chains are made when there is first such a source: a chain costs every packet some fifty
// nanoseconds. They stay with the table, since the kernel drops what is queued when one goes.
inline constexpr char kEarlyChain[] = "early";    // prerouting, before tracking
inline constexpr char kFloodsChain[] = "floods";  // Only jumped to. Its rules count what it drops.
// `learn`, where chain `refused` sends them, is in remembered_rules.h.
std::vector<TableChain> EarlyChains();

// Adds chains, maps and rules, which need the maps of remembered sources. Chains and maps may be
// there; FlushEarlyRefusals adds the removal of the rules.
void AddEarlyRefusals(uint32_t mark_mask, const std::vector<ExemptFlow>& exempt,
                      TableTransaction& transaction);
void FlushEarlyRefusals(TableTransaction& transaction);

// How many chains and maps those are.
inline constexpr uint32_t kEarlyObjects = 5;

}  // namespace sluice::agent
