#pragma once

#include "absl/status/status.h"
#include "server/policy/names.h"
#include "server/policy/packet_facts.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// Fills in which rules of a policy are considered for a packet, all but the ruling; `all` and
// `not_told` as in v1::ExplainPolicyRequest. Reads the policy once more, since nothing that
// explains is kept beside what decides: blocks as `names` do. FAILED_PRECONDITION: it
// cannot be read, as may be with one that could once, when a name or a file is no longer there.
absl::Status ExplainRules(const v1::PolicyText& policy, const v1::Packet& packet, bool all,
                          FactSet not_told, Names& names, v1::ExplainPolicyResponse* response);

}  // namespace sluice::server::policy
