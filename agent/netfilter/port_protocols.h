#pragma once

#include <cstdint>

#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// Whether the protocol of that IANA number has ports, which stand where TCP has them: TCP, UDP,
// DCCP, SCTP, UDP-Lite.
bool HasPorts(uint8_t protocol);

// A set of table inet sluice: the numbers of those.
inline constexpr char kPortProtocols[] = "port_protocols";

// Adds its making, with its elements; it must not be there.
void AddPortProtocols(TableTransaction& transaction);
// Adds its removal. No rule may use it by then.
void DeletePortProtocols(TableTransaction& transaction);

}  // namespace sluice::agent
