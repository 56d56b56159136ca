#pragma once

#include <string>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_view.h"

namespace sluice::server::policy {

// Whether the packet's protocol and, of ICMP its type, of TCP its flags, are those the term asks
// for; ports are not looked at. `unknown` is the answer where the packet does not show them.
bool ProtocolMatches(const TransportTerm& term, const PacketView& packet, bool unknown);

// The same of all the term asks for. `port` is that of the term's side.
bool TransportMatches(const TransportTerm& term, const PacketView& packet, int port, bool unknown);

// Equal for terms that say the same of protocols, types and flags in the same words.
std::string ProtocolWords(const TransportTerm& term);

}  // namespace sluice::server::policy
