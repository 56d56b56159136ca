#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

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

// A decimal number directly followed by `ms`, `s`, `m` or `h`, from `least` to `most`.
// INVALID_ARGUMENT: something else; the message says what it should be.
absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text,
                                                        std::chrono::milliseconds least,
                                                        std::chrono::milliseconds most);

}  // namespace sluice::server::policy
