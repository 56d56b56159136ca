#pragma once

#include "absl/functional/function_ref.h"
#include "agent/netfilter/nftables/table_rule.h"
#include "agent/netfilter/remembered/remembered_sets.h"

namespace sluice::agent {

// Appends to a rule the condition for one class of packets, and the reading of their key.
using ReadKey = absl::FunctionRef<void(TableRule&)>;

// Calls `add` once for each rule that is needed to find packets by the keys of that set. Each rule
// is for another class of packets: of protocols with ports, of ICMP, or others; tracked packets,
// whose zone is in the key, or others, whose zone is 0. `tracks`: connections are tracked;
// otherwise none of the rules makes the kernel track them.
//
// The key of a connection is that of its first packet, so it is the same in both directions and
// through NAT, except for the interfaces, which are the packet's own. An ICMP error has no key: the
// kernel attaches the connection that it is about, but the error is not one of its packets. The key
// of a packet that is excluded from tracking comes from the packet itself, so it holds for one
// direction.
void ForEachKey(const RememberedSet& set, bool tracks, absl::FunctionRef<void(ReadKey)> add);

// For a set of connections: only the rules for packets that are excluded from tracking.
void ForEachUntrackedKey(const RememberedSet& set, absl::FunctionRef<void(ReadKey)> add);

// For a set of connections: the same with the key that packets of the other direction have, if they
// come in by the interface by which this one goes out.
void ForEachReplyKey(const RememberedSet& set, absl::FunctionRef<void(ReadKey)> add);

}  // namespace sluice::agent
