#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/hash/hash.h"
#include "server/journal/filter.h"
#include "sluice/v1/conntrack.pb.h"

namespace sluice::server {

// What tells one tracked connection from all others of the same time: its original tuple and its
// zone. Has a fixed size; filters look at it, so that they need not parse the flow.
struct FlowKey {
  // Nullopt for a flow without a usable original tuple.
  static std::optional<FlowKey> Of(const v1::Flow& flow);

  bool operator==(const FlowKey&) const = default;

  template <typename H>
  friend H AbslHashValue(H hash, const FlowKey& key) {
    return H::combine(std::move(hash), key.source, key.destination, key.source_port,
                      key.destination_port, key.zone, key.direction_zone, key.family, key.protocol,
                      key.present);
  }

  Traits traits() const;

  std::array<char, 16> source{};
  std::array<char, 16> destination{};
  uint16_t source_port = 0;       // For ICMP the identifier.
  uint16_t destination_port = 0;  // For ICMP the type and the code.
  uint16_t zone = 0;
  uint16_t direction_zone = 0;
  uint8_t family = 0;  // v1::FAMILY_IPV4 or v1::FAMILY_IPV6.
  uint8_t protocol = 0;
  uint8_t present = 0;  // Bits: 1 source port, 2 destination port, 4 ICMP.
};

}  // namespace sluice::server
