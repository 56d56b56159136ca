#pragma once

#include <cstdint>

#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

// Whether the protocol with that IANA number has ports in the place where TCP has them: TCP, UDP,
// DCCP, SCTP, UDP-Lite.
bool HasPorts(uint8_t protocol);

// The set of table inet sluice that holds the numbers of these protocols.
inline constexpr char kPortProtocols[] = "port_protocols";

// Adds the creation of the set with its elements. The set must not exist.
void AddPortProtocols(TableTransaction& transaction);
// Adds the removal of the set. No rule may use it by then.
void DeletePortProtocols(TableTransaction& transaction);

}  // namespace sluice::agent
