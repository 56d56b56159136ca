#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "agent/netfilter/nftables/table_chain.h"
#include "agent/netfilter/nftables/table_rule.h"
#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

// Packets to many receivers. A bridge floods them to its ports, and a router sends them to several
// interfaces, as copies of one packet. Until the first packet of a connection is accepted, its
// copies share one unconfirmed connection. The kernel does not queue packets that share one: it
// drops them, and no queue counter moves (nfnetlink_queue). So packets to many are not tracked;
// their connections could have no answers anyway. They are asked about like all others.
//
// They are recognized by their destination address: IPv4 224.0.0.0/4 and 255.255.255.255, IPv6
// ff00::/8, and, for packets that came in as a link-layer broadcast, the IPv4 broadcast addresses
// of the gateway's networks. The link layer alone never counts: a packet to a single address is
// tracked and decided in a broadcast frame as in any other.
inline constexpr char kMulticastChain[] = "multicast";  // prerouting, before others' raw rules
inline constexpr char kMulticastRule[] = "rule of chain multicast";
TableChain MulticastChain();

// Calls `add` once for each rule that is needed to recognize these packets, with a function that
// appends the condition to the rule. `fib`: the kernel has nftables' expression of that name;
// without it the broadcast addresses of networks are not recognized.
void ForEachMulticast(bool fib, absl::FunctionRef<void(absl::FunctionRef<void(TableRule&)>)> add);

// Adds the rules that count these packets and exclude them from connection tracking. This includes
// packets to the gateway itself.
void AddMulticast(bool fib, TableTransaction& transaction);

}  // namespace sluice::agent
