#pragma once

#include <optional>

#include "agent/netfilter/conntrack/conntrack_attributes.h"
#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// The event that one netlink message reports: a connection or expectation that began (NEW), changed
// (UPDATE), ended (DESTROY), or is in the table (SNAPSHOT: an answer to a dump, which the kernel
// marks NLM_F_MULTI). The event has no time.
//
// `message` starts with its netlink header and may be longer than the header says. nullopt if it is
// no such message, or names no connection. Pure and total: any bytes have an answer, and none are
// read beyond `message`.
std::optional<v1::Event> DecodeConntrack(Bytes message);

}  // namespace sluice::agent
