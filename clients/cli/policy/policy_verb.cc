#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {

void AddPolicyVerb(CLI::App& root, Action* action) {
  CLI::App* const policy =
      root.add_subcommand("policy", "Check, test, try, apply, show and roll back the policy");
  policy->require_subcommand(1);
  AddPolicyCheckVerb(*policy, action);
  AddPolicyApplyVerb(*policy, action);
  AddPolicyShowVerb(*policy, action);
  AddPolicyHistoryVerb(*policy, action);
  AddPolicyDiffVerb(*policy, action);
  AddPolicyTestVerb(*policy, action);
  AddPolicyExplainVerb(*policy, action);
  AddPolicyTrialVerb(*policy, action);
  AddPolicyConfirmVerb(*policy, action);
  AddPolicyRollbackVerb(*policy, action);
  SetExamples(*policy, {{"sluicectl policy check gateway.policy", ""},
                        {"sluicectl policy apply gateway.policy --confirm-within 60s",
                         "revert in a minute unless confirmed"},
                        {"sluicectl policy diff", "what the last change was"},
                        {"sluicectl policy rollback", "to the last confirmed version"},
                        {"sluicectl policy test monday.pcap --policy new.policy", ""},
                        {"sluicectl policy explain 10.0.0.1 192.0.2.7 tcp 443", ""}});
}

}  // namespace sluice::cli
