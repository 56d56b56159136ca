#pragma once

#include <absl/status/status.h>

#include <string>

#include "clients/cli/verb/connection.h"
#include "clients/cli/verb/context.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// Reads the policy in `file` ("-" is standard input) with the files it includes, and has the server
// check it. Prints warnings unless `output` is "json", and problems as text or JSON. If there are
// problems, the error says how many.
absl::Status LoadGoodPolicy(const std::string& file, const std::string& output, Context& context,
                            Connection& connection, v1::PolicyText* policy,
                            v1::CheckPolicyResponse* checked, bool for_change = false);

}  // namespace sluice::cli
