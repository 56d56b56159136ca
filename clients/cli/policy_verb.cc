#include "clients/cli/policy_verbs.h"
#include "clients/cli/verb.h"

namespace sluice::cli {

void AddPolicyVerb(CLI::App& root, Action* action) {
  CLI::App* const policy = root.add_subcommand("policy", "Check, apply or show the policy");
  policy->require_subcommand(1);
  AddPolicyCheckVerb(*policy, action);
  AddPolicyApplyVerb(*policy, action);
  AddPolicyShowVerb(*policy, action);
  SetExamples(*policy, {{"sluicectl policy check gateway.policy", ""},
                        {"sluicectl policy apply gateway.policy", ""},
                        {"sluicectl policy show", ""}});
}

}  // namespace sluice::cli
