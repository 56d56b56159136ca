#pragma once

#include <absl/status/status.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <ostream>
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
                            v1::CheckPolicyResponse* checked);

enum class Severity { kError, kWarning };

// Prints each problem as compilers do: FILE:LINE:COLUMN: message, the line, and `^~~~` below the
// place. Of a long line, shows the part around the column. Included files are named by their path
// as seen from the working directory.
void PrintProblems(const v1::PolicyText& policy,
                   const google::protobuf::RepeatedPtrField<v1::PolicyProblem>& problems,
                   Severity severity, bool color, std::ostream& out);

// "1 rule", "7 rules".
std::string Rules(uint32_t count);

// "version 3 (my.policy, 7 rules)".
std::string Describe(const v1::Policy& policy);

}  // namespace sluice::cli
