#pragma once

#include <absl/status/status.h>

#include <set>
#include <string>

#include "clients/cli/verb/connection.h"
#include "clients/cli/verb/context.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// The name of a policy's file for people: "stdin" for "-".
std::string NameOf(const std::string& file);

// The path of a file that the policy includes, for people: `name` is relative to the policy's own
// file or, for standard input, to the working directory.
std::string PathOf(const v1::PolicyText& policy, const std::string& name);

// Reads the policy in `file` and all files it includes, asking the server repeatedly which are
// missing. Bytes that are not UTF-8 become `\xNN`. `checked` is what the server finally says of the
// whole. If an included file cannot be read, the only problem in `checked` says so, at the place
// that includes it. `for_change`: as in v1::CheckPolicyRequest. NOT_FOUND: `file` itself cannot be
// read. Other errors are those of the call.
absl::Status LoadPolicy(const std::string& file, Context& context, Connection& connection,
                        v1::PolicyText* policy, v1::CheckPolicyResponse* checked,
                        bool for_change = false);

// The names, as in v1::PolicyFile, in the `include` statements of the policy's own text and of the
// files that it has already. A server says which of these files it lacks; it may ask for no others.
// Total: any bytes give an answer.
std::set<std::string> IncludedNames(const v1::PolicyText& policy);

}  // namespace sluice::cli
