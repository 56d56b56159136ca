#pragma once

#include <absl/status/status.h>

#include <string>

#include "clients/cli/connection.h"
#include "clients/cli/context.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// Reads the policy in `file`, "-" being standard input, with the files it includes, and has the
// server check it. Warnings are printed, unless `output` is "json"; so are problems, as text or
// JSON, and an error then says how many there are.
absl::Status LoadGoodPolicy(const std::string& file, const std::string& output, Context& context,
                            Connection& connection, v1::PolicyText* policy,
                            v1::CheckPolicyResponse* checked);

}  // namespace sluice::cli
