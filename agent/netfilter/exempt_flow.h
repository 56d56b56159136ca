#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace sluice::agent {

// An IP network. A single address is a network with the full prefix length.
struct IpNetwork {
  bool ipv6 = false;
  std::array<uint8_t, 16> address{};  // Network order; IPv4 takes the first four.
  uint8_t prefix_length = 0;          // In bits; all later bits of the address are 0.

  bool operator==(const IpNetwork&) const = default;
};

// Connections that no decider is asked about. An absent network matches every address. Both
// networks are of one family.
struct ExemptFlow {
  std::optional<IpNetwork> source = {};  // The side that connects.
  std::optional<IpNetwork> destination = {};
  uint8_t protocol = 0;  // IANA number; 0 is any.
  uint16_t port = 0;     // The port connected to; 0 is any. Only with TCP or UDP.

  bool operator==(const ExemptFlow&) const = default;
};

}  // namespace sluice::agent
