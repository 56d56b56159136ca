#pragma once

#include <cstdint>
#include <span>

#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// Fills in the checksums of a whole packet that a decider wrote: the IPv4 header's, and that of
// TCP, UDP or ICMP, in IPv6 behind extension headers. Other transports' are left alone, and so is
// a fragment's, as it covers the bytes of the other fragments too. Routing headers and source
// routes with stops left and mobile IPv6's home addresses are followed: the checksum covers the
// addresses the last host sees, not those of the header.
//
// False, and nothing is written, if `packet` is not one well-formed packet of `family` that is as
// long as its headers say, or if its routing header or options do not tell where it ends up. Total:
// takes any bytes, and touches none outside `packet`.
//
// libnetfilter_queue's nfq_*_compute_checksum believe the lengths in the headers, which come over
// the network here, and know no ICMP.
bool RepairChecksums(v1::Family family, std::span<uint8_t> packet);

}  // namespace sluice::agent
