#pragma once

#include "absl/status/status.h"
#include "server/policies/compiler.h"
#include "server/policies/policy_store.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// ControlService.ExplainPolicy, from request to response: a job of the Compiler. Names in the
// policy in force keep their present meaning; names in the packet are looked up.
absl::Status ExplainPolicy(const v1::ExplainPolicyRequest& request, const PolicyStore& policies,
                           JobNames* names, v1::ExplainPolicyResponse* response);

}  // namespace sluice::server
