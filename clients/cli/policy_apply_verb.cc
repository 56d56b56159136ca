#include <memory>
#include <string>

#include "clients/cli/json.h"
#include "clients/cli/policy_check.h"
#include "clients/cli/policy_verbs.h"
#include "clients/cli/policy_words.h"
#include "clients/cli/verb.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string file;
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  std::string text;
  if (absl::Status status = ReadPolicy(options.file, context, &text); !status.ok()) return status;
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::ApplyPolicyRequest request;
  request.mutable_policy()->set_text(text);
  request.mutable_policy()->set_source(NameOf(options.file));
  ShortCall call;
  v1::ApplyPolicyResponse response;
  const grpc::Status status = connection.control().ApplyPolicy(&call, request, &response);
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    // The same problems again, but each with its place.
    v1::CheckPolicyResponse problems;
    if (Check(connection, text, &problems).ok() && !problems.problems().empty()) {
      return Refused(options.file, options.output, text, problems, context);
    }
  }
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else {
    *context.out << "was " << Describe(response.previous()) << "\nnow "
                 << Describe(response.current()) << '\n';
  }
  return absl::OkStatus();
}

}  // namespace

void AddPolicyApplyVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb = policy.add_subcommand(
      "apply", "Replace the policy, all at once, for every gateway of the server");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->file, "The policy; - is standard input")
      ->required()
      ->option_text(" ");
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(*verb,
              {{"sluicectl policy apply gateway.policy", ""},
               {"echo 'default accept;' | sluicectl policy apply -", "let everything through"}},
              "Prints the version replaced and the version now. A policy with problems changes\n"
              "nothing. Packets already asked about keep the old policy's answer.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
