#pragma once

#include <string>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/packet_view.h"

namespace sluice::server::policy {

// Whether the term matches the packet's protocol and the type of ICMP or the flags of TCP; does not
// look at ports. `unknown` is the answer if the packet does not show them.
bool ProtocolMatches(const TransportTerm& term, const PacketView& packet, bool unknown);

// The same for everything the term asks for. `port` is the packet's port on the term's side.
bool TransportMatches(const TransportTerm& term, const PacketView& packet, int port, bool unknown);

// Equal for terms that say the same about protocols, types and flags in the same words.
std::string ProtocolWords(const TransportTerm& term);

}  // namespace sluice::server::policy
