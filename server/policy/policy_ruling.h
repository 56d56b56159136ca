#pragma once

#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// A ruling as people and tools are shown it.
v1::PolicyRuling ToProto(const Ruling& ruling);

// Whether the two do the same to a packet, whichever rules they come from.
bool SameEffect(const Ruling& a, const Ruling& b);

}  // namespace sluice::server
