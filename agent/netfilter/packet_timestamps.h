#pragma once

namespace sluice::agent {

// While one exists, the kernel stamps every packet it receives. It does so only as long as some
// socket on the host has SO_TIMESTAMP (socket(7)); this is that socket. If it cannot be had,
// packets come without stamps and the agent uses its own clock.
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
