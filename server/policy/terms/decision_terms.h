#pragma once

#include <cstdint>

namespace sluice::server::policy {

// The notice that the sender of a dropped packet gets.
enum class Notify : uint8_t {
  kNone,
  kHostUnreachable,  // ICMP 3/1, ICMPv6 1/3
  kAdminProhibited,  // ICMP 3/13, ICMPv6 1/1
  kPortUnreachable,  // ICMP 3/3, ICMPv6 1/4
  kTcpReset,         // a reset; for other protocols port unreachable
};

// How far a decision reaches.
enum class Scope : uint8_t {
  kPacket,
  kConnection,  // every packet of the connection, both ways
  kPeer,        // packets of the same source, destination, protocol and destination port
  kSource,      // packets of the same source
};

}  // namespace sluice::server::policy
