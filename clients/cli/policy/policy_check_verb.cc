#include <memory>
#include <string>

#include "clients/cli/policy/policy_check.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/policy/policy_words.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string file;
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  v1::PolicyText policy;
  v1::CheckPolicyResponse response;
  if (absl::Status status =
          LoadGoodPolicy(options.file, options.output, context, connection, &policy, &response);
      !status.ok()) {
    return status;
  }
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
  } else {
    *context.out << OneLine(policy.source()) << ": ok, " << Rules(response.rules());
    if (const int warnings = response.warnings_size(); warnings != 0) {
      *context.out << ", " << warnings << (warnings == 1 ? " warning" : " warnings");
    }
    *context.out << '\n';
  }
  return absl::OkStatus();
}

}  // namespace

void AddPolicyCheckVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("check", "Check whether a policy is well-formed; change nothing");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->file, "The policy; - is standard input")
      ->required()
      ->option_text(" ");
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(*verb,
              {{"sluicectl policy check gateway.policy", ""},
               {"sluicectl policy check - < gateway.policy", "from standard input"}},
              "Problems are printed as FILE:LINE:COLUMN: what is wrong, and the exit code is 1.\n"
              "Warnings, such as a rule that can never match, leave it 0. Included files are read\n"
              "on this machine, relative to FILE, or to the working directory if FILE is -.\n"
              "The server does the check: a policy it calls well-formed can be applied to it.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
