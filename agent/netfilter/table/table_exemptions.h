#pragma once

#include <cstdint>
#include <vector>

#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

inline constexpr char kExemptChain[] = "exempt";

// Adds the rules of chain exempt, which packets meet before anybody is asked and before anything is
// dropped. A packet that matches is counted, gets the agent's decided bit and leaves prepare:
// nobody is asked, and the guard lets it pass. The rules match both directions of each flow by the
// packet alone and not by its connection. So a connection that is older than the kernel's tracking
// is exempt like any other. Therefore only TCP shows who connects; there the other side's SYN is
// asked about.
//
// Always exempt: IPv6 neighbour discovery (ICMPv6 133 to 137) with hop limit 255. Without it, a
// bridge that shows its packets to these hooks (bridge-nf-call-ip6tables) would cut off its hosts.
// A routed packet never has 255 here, because the kernel lowers the hop limit before the hook.
void AddExemptions(const std::vector<ExemptFlow>& flows, uint32_t mark_mask,
                   TableTransaction& transaction);

// Adds rules to another chain that accept the answers of those flows. They neither count nor mark.
void AddExemptAnswers(const std::vector<ExemptFlow>& flows, const char* chain,
                      TableTransaction& transaction);

}  // namespace sluice::agent
