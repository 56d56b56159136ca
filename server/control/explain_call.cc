#include "server/control/explain_call.h"

#include <memory>
#include <string>
#include <utility>

#include "server/control/policy_calls.h"
#include "server/control/tested_packet.h"
#include "server/policy/checker/looked_up.h"
#include "server/policy/packet_names.h"
#include "server/policy/policy_explainer.h"
#include "server/policy/rule_set.h"

namespace sluice::server {

absl::Status ExplainPolicy(const v1::ExplainPolicyRequest& request, const PolicyStore& policies,
                           JobNames* names, v1::ExplainPolicyResponse* response) {
  const std::unique_ptr<policy::Names> local = policies.LocalNames();
  policy::AnsweredNames answered(&names->known, local.get());
  v1::Packet packet = request.packet();
  const absl::Status named = policy::FillIn(request.names(), answered, &packet);
  names->wanted = answered.wanted();
  const std::shared_ptr<const Policy> current = policies.Current();
  std::shared_ptr<const RuleSet> rules = current->rules;
  if (request.has_policy()) {
    RuleSet::Compiled compiled = policies.Compile(request.policy(), names->known);
    names->wanted.hosts.merge(compiled.wanted.hosts);
    names->wanted.networks.merge(compiled.wanted.networks);
    if (compiled.rules == nullptr) return StatusOf(compiled);
    rules = std::move(compiled.rules);
  }
  if (!names->wanted.empty()) return absl::OkStatus();
  if (!named.ok()) return named;
  policy::FactSet not_told = 0;
  for (const int fact : request.not_told()) {
    const auto one = static_cast<v1::PacketFact>(fact);
    if (v1::PacketFact_IsValid(fact) && one != v1::PACKET_FACT_UNSPECIFIED) {
      not_told |= policy::Bit(one);
    }
  }
  *response->mutable_ruling() = std::move(*TestPacket(*rules, &packet).mutable_ruling());
  *response->mutable_packet() = packet;
  if (IsMalformed(response->ruling())) return absl::OkStatus();  // No rule is considered.
  const policy::LookedUp meant = policy::LookedUp::Of(rules->names());
  policy::AnsweredNames meanings(&meant, local.get());
  const absl::Status explained =
      policy::ExplainRules(request.has_policy() ? request.policy() : current->text, packet,
                           request.all(), not_told, meanings, response);
  if (!explained.ok()) {
    return absl::FailedPreconditionError(explained.message());
  }
  const bool decided = response->considered_size() > 0 &&
                       response->considered(response->considered_size() - 1).matches();
  const uint32_t rule = decided ? response->considered(response->considered_size() - 1).rule() : 0;
  if (rule != response->ruling().rule()) {
    return absl::FailedPreconditionError(
        "names or files the policy refers to have changed since it was applied; "
        "apply it again to have it mean what they mean now");
  }
  return absl::OkStatus();
}

}  // namespace sluice::server
