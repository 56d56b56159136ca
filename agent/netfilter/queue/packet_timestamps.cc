#include "agent/netfilter/queue/packet_timestamps.h"

#include <sys/socket.h>
#include <unistd.h>

namespace sluice::agent {

// The socket is of the Internet family, as the option on a Unix socket stamps nothing.
PacketTimestamps::PacketTimestamps() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
}

PacketTimestamps::~PacketTimestamps() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace sluice::agent
