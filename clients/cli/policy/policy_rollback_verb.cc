#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "clients/cli/policy/policy_change.h"
#include "clients/cli/policy/policy_problems.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

struct Options {
  std::optional<uint64_t> version;
  ChangeOptions change;
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::RollbackPolicyRequest request;
  if (options.version) request.set_version(*options.version);
  FillChange(options.change, context, &request);
  PolicyCall call;
  v1::RollbackPolicyResponse response;
  const grpc::Status status = connection.control().RollbackPolicy(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
    return absl::OkStatus();
  }
  v1::PolicyText policy;
  policy.set_text(response.current().text());
  policy.set_source(response.current().source());
  *policy.mutable_files() = response.current().files();
  PrintProblems(policy, response.warnings(), Severity::kWarning, context.color, *context.out);
  *context.out << "version " << response.restored_version() << " again\n";
  PrintChange(response.previous(), response.current(), context);
  return absl::OkStatus();
}

}  // namespace

void AddPolicyRollbackVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("rollback", "Apply an earlier version again, under a new number");
  const auto options = std::make_shared<Options>();
  verb->add_option("VERSION", options->version,
                   "The version; without it, the last confirmed one before the current")
      ->option_text(" ");
  AddChangeOptions(*verb, &options->change);
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(*verb,
              {{"sluicectl policy rollback", "to the last confirmed version"},
               {"sluicectl policy rollback 12", ""},
               {"sluicectl policy rollback 0", "to the built-in policy, which rejects all"}},
              "`policy history` lists the versions, `policy diff VERSION` shows how the current\n"
              "policy differs from one. Without VERSION, rollback skips versions that nobody\n"
              "confirmed and prints which one it took; a second rollback undoes the first.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
