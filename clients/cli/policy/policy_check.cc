#include "clients/cli/policy/policy_check.h"

#include <absl/strings/str_cat.h>

#include "clients/cli/policy/policy_problems.h"
#include "clients/cli/policy/policy_text.h"
#include "clients/cli/verb/print_json.h"

namespace sluice::cli {

absl::Status LoadGoodPolicy(const std::string& file, const std::string& output, Context& context,
                            Connection& connection, v1::PolicyText* policy,
                            v1::CheckPolicyResponse* checked, bool for_change) {
  if (absl::Status status = LoadPolicy(file, context, connection, policy, checked, for_change);
      !status.ok()) {
    return status;
  }
  const int problems = checked->problems_size();
  if (output != "json") {
    PrintProblems(*policy, checked->problems(), Severity::kError, context.color, *context.out);
    PrintProblems(*policy, checked->warnings(), Severity::kWarning, context.color, *context.out);
  } else if (problems != 0) {
    PrintJson(*checked, JsonFields::kAll, context);
  }
  if (problems == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(NameOf(file), ": ", problems,
                                                 problems == 1 ? " problem" : " problems",
                                                 "; the policy in force stays"));
}

}  // namespace sluice::cli
