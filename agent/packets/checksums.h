#pragma once

#include <cstdint>
#include <span>

#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// Fills in the checksums of a whole packet that a decider wrote: the IPv4 header's, and that of
// TCP, UDP or ICMP, also behind IPv6 extension headers. The checksums of other transports are left
// alone, and so are those of fragments, since they cover the bytes of the other fragments too. The
// checksum covers the addresses that the last host sees, which may not be those of the header:
// routing headers and source routes with stops left are followed, and so are mobile IPv6's home
// addresses.
//
// Returns false and writes nothing unless `packet` is exactly one well-formed packet of `family`,
// as long as its headers say, whose routing header or options tell where it ends up. Total: takes
// any bytes and touches none outside `packet`.
//
// libnetfilter_queue's nfq_*_compute_checksum will not do: they trust the lengths in the headers,
// which come over the network here, and they do not know ICMP.
bool RepairChecksums(v1::Family family, std::span<uint8_t> packet);

}  // namespace sluice::agent
