#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sluice::cli {

// Where the IPv4 or IPv6 header of a captured frame is, by the number files have for its link layer
// (LINKTYPE_…). VLAN tags, PPPoE sessions, MPLS labels and SNAP headers are passed over, in any
// order and number, as a gateway that ends them takes them off. None for a frame that holds
// something else, or too little. Total: any bytes give an answer.
std::optional<size_t> FindNetworkHeader(uint32_t link_type, std::span<const uint8_t> frame);

// Whether frames of this link layer can be read at all.
bool KnowsLinkType(uint32_t link_type);

// "IEEE802_11", or a number that has no name.
std::string LinkTypeName(uint32_t link_type);

}  // namespace sluice::cli
