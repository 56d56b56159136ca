#pragma once

#include <sys/socket.h>
#include <unistd.h>

namespace sluice::agent {

// While an object of this class exists, the kernel stamps every packet it receives. It does so only
// as long as some socket on the host has SO_TIMESTAMP (socket(7)); this class owns such a socket.
// If the socket cannot be opened, packets come without stamps and the agent uses its own clock.
class PacketTimestamps final {
 public:
  // The socket is of the Internet family, as the option on a Unix socket stamps nothing.
  PacketTimestamps() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
  }
  ~PacketTimestamps() {
    if (fd_ >= 0) close(fd_);
  }
  PacketTimestamps(const PacketTimestamps&) = delete;
  PacketTimestamps& operator=(const PacketTimestamps&) = delete;

 private:
  const int fd_;
};

}  // namespace sluice::agent
