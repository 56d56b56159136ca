#pragma once

#include <chrono>

#include "absl/status/status.h"

namespace sluice::server {

// When a connection is given up because its other end sends nothing or takes nothing.
struct KeepaliveTimes {
  std::chrono::seconds idle{10};     // After this much silence the kernel sends a probe.
  std::chrono::seconds interval{1};  // Between probes, as one may be lost.
  std::chrono::seconds patience{5};  // From the first probe until giving up.
};

// Has the kernel send keepalive probes on the TCP connections that this process's listening sockets
// accept from now on (SO_KEEPALIVE in socket(7), TCP_KEEPIDLE and TCP_USER_TIMEOUT in tcp(7)). A
// connection inherits these options from the listening socket; one that was accepted between
// listening and this call does not have them. The probes notice a host that is gone, but not a
// program that hangs. gRPC's own keepalive would notice both, but it sets a timer anew with each
// message, which costs 6 % of the server's instructions and a thread that is woken for the timers.
// Errors: INTERNAL, the kernel refused an option.
absl::Status KeepAccepted(const KeepaliveTimes& times);

}  // namespace sluice::server
