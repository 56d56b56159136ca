#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "clients/cli/capture/captured_packet.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::cli {

// Finds the state that connection tracking would give each packet of a capture. It works like Linux
// with its defaults: it picks up TCP connections that began before the capture
// (nf_conntrack_tcp_loose), and ends connections by their timeouts, on the capture's clock. Unlike
// Linux it ignores sequence numbers and checksums, and expects no connections that others announce
// (FTP): only ICMP errors are related. It follows a connection whatever a policy says of its
// packets. Holds at most `most` connections; to make room it removes the least recently seen one.
// One thread.
class ConnectionFollower final {
 public:
  static constexpr size_t kMostConnections = 131'072;

  explicit ConnectionFollower(size_t most = kMostConnections) : most_(most) {}

  // CONNECTION_STATE_UNSPECIFIED: too little of the packet was captured to know.
  v1::ConnectionState Follow(const CapturedPacket& packet);

 private:
  enum class Phase {
    kOpening,  // TCP: a SYN was seen, but no answer. Other protocols are open at once.
    kOpen,
    kEnding,  // TCP: both sides have sent a FIN.
    kReset,   // TCP
  };
  struct Connection {
    std::string key;
    bool from_second = false;  // Its first packet came from the second end of its key.
    bool answered = false;
    bool fin[2] = {};  // Sent by the side that began it, and by the other.
    Phase phase = Phase::kOpen;
    int64_t last_seen = 0;  // Seconds.
    uint8_t protocol = 0;
  };
  using Connections = std::list<Connection>;
  struct Tuple;

  // Null if there is none.
  Connection* Find(const std::string& key, int64_t now);
  Connection& Begin(const Tuple& tuple, int64_t now);
  v1::ConnectionState FollowTcp(const Tuple& tuple, uint8_t flags, int64_t now);
  v1::ConnectionState FollowOther(const Tuple& tuple, int64_t now);
  v1::ConnectionState FollowError(const CapturedPacket& packet, std::string_view about,
                                  std::string_view destination);
  static int64_t Timeout(const Connection& connection);

  const size_t most_;
  Connections connections_;  // The least recently seen one first.
  std::unordered_map<std::string, Connections::iterator> by_key_;
};

}  // namespace sluice::cli
