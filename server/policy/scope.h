#pragma once

#include <cstdint>

namespace sluice::server::policy {

// How far a decision reaches.
enum class Scope : uint8_t {
  kPacket,
  kConnection,  // every packet of the connection, both ways
  kPeer,        // packets of the same source, destination, protocol and destination port
  kSource,      // packets of the same source
};

}  // namespace sluice::server::policy
