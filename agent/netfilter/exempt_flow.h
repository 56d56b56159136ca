#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace sluice::agent {

// An IP network, of one address for one.
struct IpNetwork {
  bool ipv6 = false;
  std::array<uint8_t, 16> address{};  // Network order; IPv4 takes the first four.
  uint8_t prefix_length = 0;          // Bits; none is set beyond them.

  bool operator==(const IpNetwork&) const = default;
};

// Connections nobody is asked about. What is absent is anything; both networks are of one family.
struct ExemptFlow {
  std::optional<IpNetwork> source = {};  // The side that connects.
  std::optional<IpNetwork> destination = {};
  uint8_t protocol = 0;  // IANA's number; 0 is any.
  uint16_t port = 0;     // It connects to; 0 is any. Only with TCP or UDP.

  bool operator==(const ExemptFlow&) const = default;
};

}  // namespace sluice::agent
