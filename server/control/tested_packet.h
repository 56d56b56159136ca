#pragma once

#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// The verdict that `packet` would get if it came from a gateway. Fills in what an agent would have
// set: the headers and the family, read from the payload if `packet` has none, and a length. A
// packet that an agent drops as malformed without asking is dropped here as well, and the reason
// says so.
v1::TestPolicyResponse::Result TestPacket(const RuleSet& rules, v1::Packet* packet);

// The ruling is that of a malformed packet, which no rule was asked about.
bool IsMalformed(const v1::PolicyRuling& ruling);

}  // namespace sluice::server
