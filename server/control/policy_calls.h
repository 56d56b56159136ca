#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/gateways/registry.h"
#include "server/policies/compiler.h"
#include "server/policies/policy_store.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// Who wants a policy changed.
struct PolicyCaller {
  std::string address;
  // Whether the caller has stopped waiting.
  std::function<bool()> gone;
};

// ControlService's calls about the policy and its versions, from request to response; `peer` is the
// caller's address. Those with `names` compile and are jobs of the Compiler. All of them wait for
// the disk, so a worker runs them. The registry says which scopes gateways cannot enforce.

absl::Status CheckPolicy(const v1::CheckPolicyRequest& request, const Registry& registry,
                         const PolicyStore& policies, JobNames* names,
                         v1::CheckPolicyResponse* response);
absl::Status ApplyPolicy(const v1::ApplyPolicyRequest& request, const PolicyCaller& caller,
                         const Registry& registry, PolicyStore* policies, JobNames* names,
                         v1::ApplyPolicyResponse* response);
absl::Status RollbackPolicy(const v1::RollbackPolicyRequest& request, const PolicyCaller& caller,
                            const Registry& registry, PolicyStore* policies, JobNames* names,
                            v1::RollbackPolicyResponse* response);
absl::Status ConfirmPolicy(const v1::ConfirmPolicyRequest& request, const std::string& peer,
                           PolicyStore* policies, v1::ConfirmPolicyResponse* response);
absl::Status GetPolicy(const v1::GetPolicyRequest& request, const PolicyStore& policies,
                       v1::GetPolicyResponse* response);
void ListPolicies(const v1::ListPoliciesRequest& request, const PolicyStore& policies,
                  v1::ListPoliciesResponse* response);

// "line:column: message" lines, with the file in front if it is an included one. Cut to what fits
// into a status.
std::string Describe(const std::vector<v1::PolicyProblem>& problems);

// Why `compiled` has no rules. Only if it has none.
absl::Status StatusOf(const RuleSet::Compiled& compiled);

}  // namespace sluice::server
