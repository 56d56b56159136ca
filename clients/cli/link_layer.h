#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::cli {

// Where the IPv4 or IPv6 header of a captured frame is, by libpcap's number of the link layer
// (DLT_…), VLAN tags passed over; none for a frame that holds something else, or too little. Total:
// any bytes give an answer.
std::optional<size_t> FindNetworkHeader(int link_type, std::span<const uint8_t> frame);

// Whether frames of this link layer can be read at all.
bool KnowsLinkType(int link_type);

}  // namespace sluice::cli
