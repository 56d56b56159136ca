#pragma once

#include "clients/cli/verb.h"

namespace sluice::cli {

// The verbs below `policy`, as those of verb.h.
void AddPolicyCheckVerb(CLI::App& policy, Action* action);
void AddPolicyApplyVerb(CLI::App& policy, Action* action);
void AddPolicyShowVerb(CLI::App& policy, Action* action);
void AddPolicyTestVerb(CLI::App& policy, Action* action);
void AddPolicyExplainVerb(CLI::App& policy, Action* action);
void AddPolicyHistoryVerb(CLI::App& policy, Action* action);
void AddPolicyDiffVerb(CLI::App& policy, Action* action);
void AddPolicyTrialVerb(CLI::App& policy, Action* action);
void AddPolicyConfirmVerb(CLI::App& policy, Action* action);
void AddPolicyRollbackVerb(CLI::App& policy, Action* action);

}  // namespace sluice::cli
