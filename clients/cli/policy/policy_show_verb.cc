#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "clients/cli/format/text.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/policy/policy_words.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

struct Options {
  std::optional<uint64_t> version;
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::GetPolicyRequest request;
  if (options.version) request.set_version(*options.version);
  PolicyCall call;
  v1::GetPolicyResponse response;
  const grpc::Status status = connection.control().GetPolicy(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  const v1::Policy& policy = response.policy();
  if (options.output == "json") {
    PrintJson(policy, JsonFields::kAll, context);
    return absl::OkStatus();
  }
  // A pipe or a file gets the text alone, so that it can be applied again. Others may have written
  // the text: a terminal gets it with control characters escaped.
  if (context.terminal) {
    *context.out << "# " << Describe(policy);
    if (policy.has_applied()) {
      const auto now = std::chrono::system_clock::now();
      *context.out << ", applied " << FormatAge(Age(policy.applied(), now)) << " ago";
    }
    if (!policy.author().empty()) *context.out << " by " << OneLine(policy.author());
    *context.out << '\n';
    for (const v1::PolicyFile& file : policy.files()) {
      *context.out << "# includes " << OneLine(file.name()) << '\n';
    }
  }
  *context.out << (context.terminal ? SafeLines(policy.text()) : policy.text());
  if (!policy.text().empty() && !policy.text().ends_with('\n')) *context.out << '\n';
  return absl::OkStatus();
}

}  // namespace

void AddPolicyShowVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("show", "Print the policy in force, or an earlier version");
  const auto options = std::make_shared<Options>();
  verb->add_option("VERSION", options->version, "The version; without it, the current one")
      ->option_text(" ");
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(*verb, {{"sluicectl policy show", ""},
                      {"sluicectl policy show > saved.policy", "just as it was applied"},
                      {"sluicectl policy show 12", "a version from `policy history`"},
                      {"sluicectl policy show -o json | jq .files", "with what it includes"}});
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
