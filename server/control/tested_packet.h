#pragma once

#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// What a gateway's packet would get if it were this one. Fills in what an agent would have: the
// headers and the family, read from the payload where `packet` has none, and a length. A packet an
// agent drops for malformed without asking anybody is dropped here as well, and the reason says so.
v1::TestPolicyResponse::Result TestPacket(const RuleSet& rules, v1::Packet* packet);

// The ruling is that of a malformed packet, of which no rule was asked.
bool IsMalformed(const v1::PolicyRuling& ruling);

}  // namespace sluice::server
