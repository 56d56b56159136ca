#pragma once

namespace sluice::agent {

// While an object of this class exists, the kernel stamps every packet it receives. It does so only
// as long as some socket on the host has SO_TIMESTAMP (socket(7)); this class owns such a socket.
// If the socket cannot be opened, packets come without stamps and the agent uses its own clock.
class PacketTimestamps final {
 public:
  PacketTimestamps();
  ~PacketTimestamps();
  PacketTimestamps(const PacketTimestamps&) = delete;
  PacketTimestamps& operator=(const PacketTimestamps&) = delete;

 private:
  const int fd_;
};

}  // namespace sluice::agent
