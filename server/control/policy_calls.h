#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <string>
#include <vector>

#include "server/control/compiler.h"
#include "server/control/policy_store.h"
#include "server/gateways/registry.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// Who wants a policy changed.
struct PolicyCaller {
  std::string address;
  // Whether he does not wait for it any more.
  std::function<bool()> gone;
};

// ControlService's calls about the policy and its versions, from request to response; `peer` is
// the caller's address. Those that compile are jobs of the Compiler; all wait for the disk: a
// worker runs them. The registry says what gateways cannot enforce.

grpc::Status CheckPolicy(const v1::CheckPolicyRequest& request, const Registry& registry,
                         const PolicyStore& policies, JobNames* names,
                         v1::CheckPolicyResponse* response);
grpc::Status ApplyPolicy(const v1::ApplyPolicyRequest& request, const PolicyCaller& caller,
                         const Registry& registry, PolicyStore* policies, JobNames* names,
                         v1::ApplyPolicyResponse* response);
grpc::Status RollbackPolicy(const v1::RollbackPolicyRequest& request, const PolicyCaller& caller,
                            const Registry& registry, PolicyStore* policies, JobNames* names,
                            v1::RollbackPolicyResponse* response);
grpc::Status ConfirmPolicy(const v1::ConfirmPolicyRequest& request, const std::string& peer,
                           PolicyStore* policies, v1::ConfirmPolicyResponse* response);
grpc::Status GetPolicy(const v1::GetPolicyRequest& request, const PolicyStore& policies,
                       v1::GetPolicyResponse* response);
void ListPolicies(const v1::ListPoliciesRequest& request, const PolicyStore& policies,
                  v1::ListPoliciesResponse* response);

// "line:column: message" lines, with the file in front where it is an included one, cut to what
// fits into a status.
std::string Describe(const std::vector<v1::PolicyProblem>& problems);

// Why there are no rules, if there are none.
grpc::Status StatusOf(const RuleSet::Compiled& compiled);

}  // namespace sluice::server
