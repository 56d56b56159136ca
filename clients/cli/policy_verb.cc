#include "clients/cli/policy_verbs.h"
#include "clients/cli/verb.h"

namespace sluice::cli {

void AddPolicyVerb(CLI::App& root, Action* action) {
  CLI::App* const policy = root.add_subcommand("policy", "Check, apply or show the policy");
  policy->require_subcommand(1);
  AddPolicyCheckVerb(*policy, action);
  AddPolicyApplyVerb(*policy, action);
  AddPolicyShowVerb(*policy, action);
  AddPolicyTestVerb(*policy, action);
  AddPolicyExplainVerb(*policy, action);
  SetExamples(*policy, {{"sluicectl policy check gateway.policy", ""},
                        {"sluicectl policy apply gateway.policy", ""},
                        {"sluicectl policy show", ""},
                        {"sluicectl policy test monday.pcap --policy new.policy", ""},
                        {"sluicectl policy explain 10.0.0.1 192.0.2.7 tcp 443", ""}});
}

}  // namespace sluice::cli
