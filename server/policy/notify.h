#pragma once

#include <cstdint>

namespace sluice::server::policy {

// What the sender of a rejected packet is told.
enum class Notify : uint8_t {
  kNone,
  kHostUnreachable,  // ICMP 3/1, ICMPv6 1/3
  kAdminProhibited,  // ICMP 3/13, ICMPv6 1/1
  kPortUnreachable,  // ICMP 3/3, ICMPv6 1/4
  kTcpReset,         // a reset; for other protocols port unreachable
};

}  // namespace sluice::server::policy
