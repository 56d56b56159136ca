#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::server {

// Where to listen: "192.0.2.1:7654", "[2001:db8::1]:7654" or "unix:/run/sluice.sock".
struct ListenAddress {
  std::string host = {};  // Without brackets; empty for unix.
  int port = 0;           // 0 picks one.
  std::string path = {};  // The path of a unix socket.

  // INVALID_ARGUMENT; the message says what is allowed.
  static absl::StatusOr<ListenAddress> Parse(const std::string& text);

  // For people to read, with the port that was picked.
  std::string WithPort(int bound) const;
};

// A socket that listens.
struct ListeningSocket {
  int fd = -1;   // Owned by whoever called Listen.
  int port = 0;  // The one that was picked; 1 for unix sockets.
};

// Listens there, with TCP keepalive for the connections that come: the kernel gives up a host that
// is gone after some 15 seconds. A socket file left behind by a server that is gone is replaced.
// Whoever can reach a socket's folder may connect, as over TCP. UNAVAILABLE says why it is not
// possible.
absl::StatusOr<ListeningSocket> Listen(const ListenAddress& address);

}  // namespace sluice::server
