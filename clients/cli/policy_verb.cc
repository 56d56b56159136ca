#include "clients/cli/policy_verbs.h"
#include "clients/cli/verb.h"

namespace sluice::cli {

void AddPolicyVerb(CLI::App& root, Action* action) {
  CLI::App* const policy =
      root.add_subcommand("policy", "Check, test, try, apply and show the policy, and go back");
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
                         "and back again unless confirmed"},
                        {"sluicectl policy diff", "what that changed"},
                        {"sluicectl policy rollback", "what was confirmed before"},
                        {"sluicectl policy test monday.pcap --policy new.policy", ""},
                        {"sluicectl policy explain 10.0.0.1 192.0.2.7 tcp 443", ""}});
}

}  // namespace sluice::cli
