#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::server {

// Where to listen: "192.0.2.1:7654", "[2001:db8::1]:7654" or "unix:/run/sluice.sock".
struct ListenAddress {
  std::string host;  // Without brackets; empty for unix.
  int port = 0;      // 0 picks one.
  std::string path;  // Of a unix socket.

  // INVALID_ARGUMENT, saying what is allowed.
  static absl::StatusOr<ListenAddress> Parse(const std::string& text);

  // As gRPC takes it.
  std::string Target() const;
  // For people, with the port that was picked.
  std::string WithPort(int bound) const;
};

// Says why nobody can listen there: gRPC itself only says that it could not. A socket left
// behind by a server that is gone is no hindrance.
absl::Status CheckFree(const ListenAddress& address);

}  // namespace sluice::server
