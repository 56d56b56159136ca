#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::agent {

// Requests to the kernel that change nothing in this network namespace, for the preflight check.
// Any thread, no state. Errors say what to do. PERMISSION_DENIED: CAP_NET_ADMIN is missing.
// UNAVAILABLE: the kernel lacks the feature.

// Whether packets can be queued to this process. Sends a command that kernels since 3.8 accept and
// ignore (NFQNL_CFG_CMD_PF_BIND), so it binds no queue.
absl::Status ProbeQueueing();

// Whether conntrack answers requests. Returns how many connections there are.
absl::StatusOr<size_t> ProbeConntrack();

// How many connections are now forwarded past the rules by a flowtable or by tc's connection
// tracking, in software or hardware.
absl::StatusOr<size_t> ProbeOffloaded();

// Whether conntrack events can be subscribed to. From then on, the kernel prepares each new
// connection of the namespace for events. So call this in a namespace without traffic.
absl::Status ProbeConntrackEvents();

// Bytes of receive buffer that the kernel grants a netlink socket that asks for `bytes`.
absl::StatusOr<size_t> ProbeReceiveBuffer(size_t bytes);

}  // namespace sluice::agent
