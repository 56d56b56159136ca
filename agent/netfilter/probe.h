#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::agent {

// Questions to the kernel of this network namespace that change nothing in it, for the preflight
// check. Any thread, no state. Errors say what to do: PERMISSION_DENIED, CAP_NET_ADMIN is
// missing; UNAVAILABLE, the kernel lacks the feature.

// Whether packets can be queued to this process: sends the command that kernels since 3.8 take
// and ignore (NFQNL_CFG_CMD_PF_BIND), so that no queue is bound.
absl::Status ProbeQueueing();

// Whether conntrack can be asked: reads how many connections there are.
absl::StatusOr<size_t> ProbeConntrack();

// How many connections are forwarded past the rules now: by a flowtable or tc's connection
// tracking, in software or hardware.
absl::StatusOr<size_t> ProbeOffloaded();

// Whether conntrack events can be subscribed to. The kernel tells each new connection of the
// namespace from then on that somebody may listen; to be asked in a namespace of no traffic.
absl::Status ProbeConntrackEvents();

// Bytes of receive buffer the kernel grants a netlink socket that asks for `bytes`.
absl::StatusOr<size_t> ProbeReceiveBuffer(size_t bytes);

}  // namespace sluice::agent
