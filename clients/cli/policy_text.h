#pragma once

#include <absl/status/status.h>

#include <string>

#include "clients/cli/connection.h"
#include "clients/cli/context.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// What people call a policy's file; "-" is standard input.
std::string NameOf(const std::string& file);

// Where a file the policy includes is, for people: `name` is relative to the policy's own file, or,
// of standard input, to the working directory.
std::string PathOf(const v1::PolicyText& policy, const std::string& name);

// Reads the policy in `file`, what is not UTF-8 being taken for `\xNN`, and, asking the server
// again and again which are missing, all files it includes. `checked` is what the server says of
// the whole in the end. Where one of them cannot be read, its only problem says so at the place
// that includes it. NOT_FOUND: `file` itself cannot be read; else what the call ends with.
absl::Status LoadPolicy(const std::string& file, Context& context, Connection& connection,
                        v1::PolicyText* policy, v1::CheckPolicyResponse* checked);

}  // namespace sluice::cli
