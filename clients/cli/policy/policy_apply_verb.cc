#include <memory>
#include <string>

#include "clients/cli/policy/policy_change.h"
#include "clients/cli/policy/policy_check.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string file;
  ChangeOptions change;
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  v1::ApplyPolicyRequest request;
  v1::CheckPolicyResponse checked;
  if (absl::Status status = LoadGoodPolicy(options.file, options.output, context, connection,
                                           request.mutable_policy(), &checked,
                                           /*for_change=*/true);
      !status.ok()) {
    return status;
  }
  FillChange(options.change, context, &request);
  PolicyCall call;
  v1::ApplyPolicyResponse response;
  const grpc::Status status = connection.control().ApplyPolicy(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
  } else {
    PrintChange(response.previous(), response.current(), context);
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
  AddChangeOptions(*verb, &options->change);
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(
      *verb,
      {{"sluicectl policy apply gateway.policy", ""},
       {"sluicectl policy apply gateway.policy --confirm-within 60s",
        "revert in a minute unless confirmed"},
       {"sluicectl policy apply gateway.policy --if-version 12",
        "only over the version I have seen"},
       {"echo 'default accept;' | sluicectl policy apply -", "let everything through"}},
      "Prints the replaced version and the new one. A policy with problems changes nothing.\n"
      "Packets already asked about keep the old policy's answer. With --confirm-within,\n"
      "`policy confirm` keeps the policy, and any other change cancels the revert.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
