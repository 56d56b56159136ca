#pragma once

#include <netinet/in.h>

#include <chrono>
#include <cstddef>

#include "absl/status/statusor.h"

namespace sluice::bench {

struct ConnectLoopOptions {
  size_t at_once = 32;  // Connections under way.
  double rate = 0;      // Begun a second, should they come back as fast; 0: no limit.
  std::chrono::milliseconds warm_up{300};
  std::chrono::milliseconds measure{2000};
  std::chrono::milliseconds drain{300};  // Longest wait for those under way at the end.
};

struct ConnectsMeasured {
  double seconds = 0;   // Length of the interval.
  size_t begun = 0;     // Warm-up included.
  size_t lost = 0;      // Of those: refused, not there in time, or with a SYN lost on the way.
  size_t connects = 0;  // Ended in the interval, as they should.
  double p50_us = 0;    // From connect() to being connected, of those.
  double p99_us = 0;
};

// Opens TCP connections, so many at once, to a server that closes each. When its FIN has come, so
// that no connection waits there to be accepted, a connection is reset: then no TIME_WAIT uses up
// the ports, and conntrack takes the port's next connection for a new one. (Not after a reset from
// the server: then it takes the next for the old one.) One thread. Errors: no sockets.
absl::StatusOr<ConnectsMeasured> RunConnectLoop(const ConnectLoopOptions& options,
                                                const sockaddr_in& to);

}  // namespace sluice::bench
