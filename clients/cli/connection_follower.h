#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "clients/cli/captured_packet.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::cli {

// Says what connection tracking would make of each packet of a capture, as Linux does with its
// defaults: TCP that was under way before the capture began is picked up (nf_conntrack_tcp_loose),
// and connections end by their timeouts, by the capture's clock. Not as Linux does: sequence
// numbers and checksums are not looked at, and connections that others announce (FTP) are not
// expected, so only ICMP errors are related. A connection is followed whatever a policy says of its
// packets. Holds so many connections; the one heard of least recently goes first. One thread.
class ConnectionFollower final {
 public:
  static constexpr size_t kMostConnections = 131'072;

  explicit ConnectionFollower(size_t most = kMostConnections) : most_(most) {}

  // CONNECTION_STATE_UNSPECIFIED: too little of the packet was captured to tell.
  v1::ConnectionState Follow(const CapturedPacket& packet);

 private:
  enum class Phase {
    kOpening,  // TCP: a SYN was seen and no answer. Others are open at once.
    kOpen,
    kEnding,  // TCP: both sides have said FIN.
    kReset,   // TCP
  };
  struct Connection {
    std::string key;
    bool from_second = false;  // The packet that began it came from the second end of its key.
    bool answered = false;
    bool fin[2] = {};  // Of the side that began it, and the other.
    Phase phase = Phase::kOpen;
    int64_t last_seen = 0;  // Seconds.
    uint8_t protocol = 0;
  };
  using Connections = std::list<Connection>;
  struct Tuple;

  // Null for none.
  Connection* Find(const std::string& key, int64_t now);
  Connection& Begin(const Tuple& tuple, int64_t now);
  v1::ConnectionState FollowTcp(const Tuple& tuple, uint8_t flags, int64_t now);
  v1::ConnectionState FollowOther(const Tuple& tuple, int64_t now);
  v1::ConnectionState FollowError(const CapturedPacket& packet, std::string_view about,
                                  std::string_view destination);
  static int64_t Timeout(const Connection& connection);

  const size_t most_;
  Connections connections_;  // The one heard of least recently first.
  std::unordered_map<std::string, Connections::iterator> by_key_;
};

}  // namespace sluice::cli
