#pragma once

#include <netinet/in.h>

#include <chrono>
#include <cstddef>

#include "absl/status/statusor.h"

namespace sluice::bench {

struct ConnectLoopOptions {
  size_t at_once = 32;  // Connections under way.
  double rate = 0;      // Begun a second, if earlier ones end fast enough; 0: no limit.
  std::chrono::milliseconds warm_up{300};
  std::chrono::milliseconds measure{2000};
  std::chrono::milliseconds drain{300};  // Longest wait for those under way at the end.
};

struct ConnectsMeasured {
  double seconds = 0;   // Length of the interval.
  size_t begun = 0;     // Warm-up included.
  size_t lost = 0;      // Of those: refused, not connected in time, or with a lost SYN.
  size_t connects = 0;  // Ended in the interval, as they should.
  double p50_us = 0;    // From connect() to being connected, of the latter.
  double p99_us = 0;
};

// Opens TCP connections, `at_once` at a time, to a server that closes each. Resets a connection
// when the server's FIN has come, which shows that it was accepted. After the reset no TIME_WAIT
// uses up the ports, and conntrack takes the port's next connection for a new one. (After a reset
// from the server it would take the next for the old one.) One thread. Fails if it cannot open
// sockets.
absl::StatusOr<ConnectsMeasured> RunConnectLoop(const ConnectLoopOptions& options,
                                                const sockaddr_in& to);

}  // namespace sluice::bench
