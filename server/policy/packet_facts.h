#pragma once

#include <cstdint>

#include "sluice/v1/control.pb.h"

namespace sluice::server::policy {

// Some facts about a packet, a bit for each. PACKET_FACT_UNSPECIFIED stands for all that is told of
// every packet, such as its addresses.
using FactSet = uint32_t;

constexpr FactSet Bit(v1::PacketFact fact) { return FactSet{1} << fact; }

}  // namespace sluice::server::policy
