#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/policy/policy_words.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

struct Options {
  std::optional<uint64_t> version;
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::ConfirmPolicyRequest request;
  if (options.version) {
    request.set_version(*options.version);
  } else {
    PolicyCall call;
    v1::GetPolicyResponse now;
    const grpc::Status status = connection.control().GetPolicy(&call, {}, &now);
    if (!status.ok()) return connection.Explain(status);
    request.set_version(now.policy().version());
  }
  ShortCall call;
  v1::ConfirmPolicyResponse response;
  const grpc::Status status = connection.control().ConfirmPolicy(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
  } else {
    *context.out << Describe(response.current()) << " stays\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddPolicyConfirmVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("confirm", "Keep a policy that would be reverted otherwise");
  const auto options = std::make_shared<Options>();
  verb->add_option("VERSION", options->version,
                   "The version, so as not to confirm a colleague's; without it, the current one")
      ->option_text(" ");
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(*verb, {{"sluicectl policy confirm 12", "the command that `policy apply` prints"},
                      {"sluicectl policy confirm", "whichever version is current"}});
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
