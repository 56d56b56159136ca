#pragma once

#include <cstdint>

#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// Adds the rules of chain `refuse`, where refused packets end, and their senders are told what the
// verdict says. They are not
//   where none is due (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4): of what is sent to many, by
//     its address or in the link layer, or from no single host; of ICMP errors; of TCP resets
//   where the gateway has no route to the sender, as a bridge without an address has none: the
//     kernel would drop the error without a word
// Each way ends in a counter of its own.
// What the kernel keeps back by its own rate limits is counted as told; it has counters of its own.
// `fib`: the kernel has nftables' expression of that name; without it, directed broadcasts and
// missing routes are not known.
void AddRefusal(uint32_t mark_mask, bool fib, TableTransaction& transaction);

}  // namespace sluice::agent
