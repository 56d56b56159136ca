#pragma once

#include <cstdint>

#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

// Adds the rules of chain `notify`. The chain drops packets and sends their senders the notice that
// the verdict asks for. No notice is sent
//   where none is due (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4): for packets to many, by
//     their address or in the link layer, or from no single host; for ICMP errors; for TCP resets
//   where the gateway has no route to the sender, as on a bridge without an address: the kernel
//     would silently drop the notice
// Each of these cases has its own counter (none_due, no_way_back), and so have sent notices (told).
// A notice that the kernel suppresses by its own rate limits counts as told; the kernel counts
// those itself. `fib`: the kernel has nftables' expression of that name; without it, directed
// broadcasts and missing routes are not recognized.
void AddNotifyRules(uint32_t mark_mask, bool fib, TableTransaction& transaction);

}  // namespace sluice::agent
