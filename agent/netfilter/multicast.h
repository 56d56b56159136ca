#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "agent/netfilter/table_chain.h"
#include "agent/netfilter/table_rule.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// Packets to many. A bridge floods them to its ports, and a router sends them to several
// interfaces, as copies of one packet. As long as nobody has let the first packet of a connection
// pass, its copies share one connection that is not confirmed, and of such the kernel queues none:
// it drops them, and no queue counter moves (nfnetlink_queue). So no connection of theirs is
// tracked, which could have no answer anyway; they are asked about like all others.
//
// They are known by their destination address: IPv4 224.0.0.0/4 and 255.255.255.255, IPv6 ff00::/8,
// and what came in as a link-layer broadcast and has the IPv4 broadcast address of one of the
// gateway's networks. Never by the link layer alone: a packet to a single address in a broadcast
// frame is tracked, and decided, as one in a frame of its own.
inline constexpr char kMulticastChain[] = "multicast";  // prerouting, before others' raw rules
inline constexpr char kMulticastRule[] = "rule of chain multicast";
TableChain MulticastChain();

// Calls `add` for every rule it takes to know them, with what appends that to the rule. `fib`: the
// kernel has nftables' expression of that name; without it the broadcast addresses of networks are
// not known.
void ForEachMulticast(bool fib, absl::FunctionRef<void(absl::FunctionRef<void(TableRule&)>)> add);

// Adds the rules that have them not tracked, and count them: those to the gateway itself, too.
void AddMulticast(bool fib, TableTransaction& transaction);

}  // namespace sluice::agent
