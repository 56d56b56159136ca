#pragma once

#include "absl/functional/function_ref.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/table_rule.h"

namespace sluice::agent {

// Appends to a rule what goes on only with packets of a kind, and reads their key.
using ReadKey = absl::FunctionRef<void(TableRule&)>;

// Calls `add` for every rule it takes to know a packet by the keys of that set, each for another
// kind of packets: those of protocols with ports, of ICMP, and others; tracked ones, whose zone is
// in the key, and others, whose zone is 0. `tracks`: connections are tracked; else none of the
// rules has the kernel do it.
//
// A key of a connection is that of its first packet, so the same both ways and through NAT, but for
// the interfaces, which are the packet's own. An ICMP error has none: it bears the connection it is
// about, and is none of its packets. What is exempted from tracking is known by the packet, so one
// way.
void ForEachKey(const RememberedSet& set, bool tracks, absl::FunctionRef<void(ReadKey)> add);

// Of connections: the rules for what is exempted from tracking alone.
void ForEachUntrackedKey(const RememberedSet& set, absl::FunctionRef<void(ReadKey)> add);

// Of connections: appends the key that packets of the other direction have, if they come in by the
// interface this one goes out by.
void ForEachReplyKey(const RememberedSet& set, absl::FunctionRef<void(ReadKey)> add);

}  // namespace sluice::agent
