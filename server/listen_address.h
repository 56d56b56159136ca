#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::server {

// Where to listen: "192.0.2.1:7654", "[2001:db8::1]:7654" or "unix:/run/sluice.sock".
struct ListenAddress {
  std::string host;  // Without brackets; empty for unix.
  int port = 0;      // 0 picks one.
  std::string path;  // The path of a unix socket.

  // INVALID_ARGUMENT; the message says what is allowed.
  static absl::StatusOr<ListenAddress> Parse(const std::string& text);

  // The address in gRPC's form.
  std::string Target() const;
  // For people to read, with the port that was picked.
  std::string WithPort(int bound) const;
};

// Says why it is not possible to listen there; gRPC itself only says that it failed. A socket file
// left behind by a server that is gone does no harm.
absl::Status CheckFree(const ListenAddress& address);

}  // namespace sluice::server
