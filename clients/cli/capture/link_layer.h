#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sluice::cli {

// Where the IPv4 or IPv6 header begins in a captured frame of this link type (LINKTYPE_…, as in
// capture files). VLAN tags, PPPoE sessions, MPLS labels and SNAP headers are skipped, in any order
// and number, as a gateway that terminates them removes them. None for a frame that holds something
// else, or too little. Total: any bytes give an answer.
std::optional<size_t> FindNetworkHeader(uint32_t link_type, std::span<const uint8_t> frame);

// Whether frames of this link type can be read at all.
bool KnowsLinkType(uint32_t link_type);

// "IEEE802_11", or the number if it has no name here.
std::string LinkTypeName(uint32_t link_type);

}  // namespace sluice::cli
