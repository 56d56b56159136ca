#pragma once

#include <string>

namespace sluice::server {

// The peer of an address in gRPC's form (Call::peer), which shares and budgets go by: without the
// port, and of IPv6 the first 64 bits, as one host has them all. All callers of unix sockets are
// one peer.
std::string PeerKey(const std::string& peer);

}  // namespace sluice::server
