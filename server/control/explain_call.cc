#include "server/control/explain_call.h"

#include <memory>
#include <string>
#include <utility>

#include "server/control/policy_calls.h"
#include "server/control/tested_packet.h"
#include "server/policy/policy_explainer.h"
#include "server/policy/rule_set.h"

namespace sluice::server {

using grpc::StatusCode;

grpc::Status ExplainPolicy(const v1::ExplainPolicyRequest& request, const PolicyStore& policies,
                           v1::ExplainPolicyResponse* response) {
  const std::shared_ptr<const Policy> current = policies.Current();
  std::shared_ptr<const RuleSet> rules = current->rules;
  if (request.has_policy()) {
    RuleSet::Compiled compiled = RuleSet::Compile(request.policy());
    if (compiled.rules == nullptr) {
      return grpc::Status(StatusCode::INVALID_ARGUMENT, Describe(compiled.problems));
    }
    rules = std::move(compiled.rules);
  }
  v1::Packet packet = request.packet();
  *response->mutable_ruling() = std::move(*TestPacket(*rules, &packet).mutable_ruling());
  if (IsMalformed(response->ruling())) return grpc::Status::OK;  // No rule is considered.
  const absl::Status explained = policy::ExplainRules(
      request.has_policy() ? request.policy() : current->text, packet, request.all(), response);
  if (!explained.ok()) {
    return grpc::Status(StatusCode::FAILED_PRECONDITION, std::string(explained.message()));
  }
  const bool decided = response->considered_size() > 0 &&
                       response->considered(response->considered_size() - 1).matches();
  const uint32_t rule = decided ? response->considered(response->considered_size() - 1).rule() : 0;
  if (rule != response->ruling().rule()) {
    return grpc::Status(StatusCode::FAILED_PRECONDITION,
                        "names or files the policy refers to have changed since it was applied; "
                        "apply it again to have it mean what they mean now");
  }
  return grpc::Status::OK;
}

}  // namespace sluice::server
