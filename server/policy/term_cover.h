#pragma once

#include "server/policy/checked_policy.h"

namespace sluice::server::policy {

// Whether a term matches whatever another one does, of packets that show what the two ask for.
// False where that is not seen at a glance, as for long lists.

bool Covers(const AddressTerm& covering, const AddressTerm& covered);

// Of ports; that protocol, types and flags agree is known already.
bool PortsCover(const TransportTerm& covering, const TransportTerm& covered);

bool Covers(const GroupTerm& covering, const GroupTerm& covered);

// The pattern is all addresses of its family.
bool IsEverything(const AddressPattern& pattern);

}  // namespace sluice::server::policy
