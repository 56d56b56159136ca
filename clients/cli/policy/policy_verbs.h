#pragma once

#include "clients/cli/verb/verb.h"

namespace sluice::cli {

// Like the functions of verbs.h.
void AddPolicyVerb(CLI::App& root, Action* action);

// The verbs below `policy`.
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
