#pragma once

#include <chrono>

#include "absl/status/status.h"

namespace sluice::server {

// When a connection whose other end says nothing, or takes nothing, is given up.
struct KeepaliveTimes {
  std::chrono::seconds idle{10};     // Silent for so long, it is asked whether it is there;
  std::chrono::seconds interval{1};  // and again, as a question may be lost,
  std::chrono::seconds patience{5};  // until, with no answer for so long, it is given up.
};

// Has the kernel look after the TCP connections that this process's listening sockets accept from
// now on (SO_KEEPALIVE in socket(7), TCP_KEEPIDLE and TCP_USER_TIMEOUT in tcp(7)): they have it
// from the socket that accepts them. (One that was there before, in the moment between listening
// and this, has not.) It tells of a host that is gone, though not of a program that hangs. gRPC's
// own keepalive would, but sets a timer anew with each message: 6 % of the server's instructions
// for it, and a thread that is woken for the timers. Errors: INTERNAL, the kernel would not have
// it.
absl::Status KeepAccepted(const KeepaliveTimes& times);

}  // namespace sluice::server
