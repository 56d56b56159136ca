#pragma once

#include <cstdint>
#include <vector>

#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

inline constexpr char kExemptChain[] = "exempt";

// Adds the rules of chain exempt, met before anybody is asked and before anything is refused. What
// they match is counted, gets the agent's decided bit and leaves that chain: nobody is asked, and
// the guard lets it pass. Both directions of each flow are matched by the packet alone and not by
// its connection, so one that was there before the kernel began to track is exempt like any other.
// Who connects is therefore only known with TCP, where the other side's SYN is asked about.
//
// Always exempt: IPv6 neighbour discovery (ICMPv6 133 to 137) with hop limit 255. A bridge that
// shows its packets to these hooks (bridge-nf-call-ip6tables) would go deaf without it; a routed
// packet never has 255 here, as the kernel lowers the hop limit before the hook.
void AddExemptions(const std::vector<ExemptFlow>& flows, uint32_t mark_mask,
                   TableTransaction& transaction);

// Adds rules that accept the answers of those flows, for another chain; they neither count nor
// mark.
void AddExemptAnswers(const std::vector<ExemptFlow>& flows, const char* chain,
                      TableTransaction& transaction);

}  // namespace sluice::agent
