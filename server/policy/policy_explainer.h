#pragma once

#include "absl/status/status.h"
#include "server/policy/advice/explainer.h"
#include "server/policy/checker/names.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// Fills in `response`, except for the ruling: which rules of a policy are considered for a packet.
// `all` and `not_told` as in v1::ExplainPolicyRequest. Reads the policy once more, since what
// decides keeps nothing that explains; blocks as long as `names` does. FAILED_PRECONDITION: the
// policy cannot be read any more, for example because a name or a file is gone.
absl::Status ExplainRules(const v1::PolicyText& policy, const v1::Packet& packet, bool all,
                          FactSet not_told, Names& names, v1::ExplainPolicyResponse* response);

}  // namespace sluice::server::policy
