#pragma once

#include <absl/status/status.h>

#include <string>

#include "clients/cli/connection.h"
#include "clients/cli/context.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// What people call a policy's file; "-" is standard input.
std::string NameOf(const std::string& file);

absl::Status ReadPolicy(const std::string& file, Context& context, std::string* text);

// Has the server look for problems in a policy.
absl::Status Check(Connection& connection, const std::string& text,
                   v1::CheckPolicyResponse* response);

// Prints the problems; an error that says how many there are.
absl::Status Refused(const std::string& file, const std::string& output, const std::string& text,
                     const v1::CheckPolicyResponse& response, Context& context);

}  // namespace sluice::cli
