#include <absl/strings/str_cat.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

struct Options {
  uint32_t last = 0;  // all
  std::string output;
};

std::string State(const v1::Policy& policy, bool newest) {
  if (policy.has_reverts_in()) {
    return absl::StrCat("now, reverts in ", FormatTimeLeft(policy.reverts_in()));
  }
  if (newest) return "now";
  return policy.unconfirmed() ? "not confirmed" : "";
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::GetPolicyResponse now;
  {
    PolicyCall call;
    const grpc::Status status = connection.control().GetPolicy(&call, {}, &now);
    if (!status.ok()) return connection.Explain(status);
  }
  v1::ListPoliciesRequest request;
  request.set_limit(options.last);
  ShortCall call;
  v1::ListPoliciesResponse response;
  const grpc::Status status = connection.control().ListPolicies(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    for (const v1::Policy& policy : response.policies()) {
      PrintJson(policy, JsonFields::kAll, context);
    }
    return absl::OkStatus();
  }
  Table table({{"VERSION", Align::kRight},
               {"APPLIED", Align::kLeft, 12},
               {"BY"},
               {"RULES", Align::kRight},
               {"FROM"},
               {"STATE"}},
              context.out, context.color);
  for (const v1::Policy& policy : response.policies()) {
    table.Row({{absl::StrCat(policy.version()), Color::kBold},
               FormatTime(policy.applied(), std::chrono::system_clock::now()),
               policy.author().empty() ? "-" : policy.author(),
               absl::StrCat(policy.rules()),
               policy.source(),
               {State(policy, policy.version() == now.policy().version()), Color::kYellow}});
  }
  return absl::OkStatus();
}

}  // namespace

void AddPolicyHistoryVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("history", "List the versions of the policy, the newest first");
  const auto options = std::make_shared<Options>();
  verb->add_option("--last", options->last, "Only the newest N")
      ->check(CLI::Range(1u, 1'000'000u))
      ->type_name("N");
  AddOutputOption(*verb, &options->output);
  SetExamples(*verb,
              {{"sluicectl policy history --last 10", ""},
               {"sluicectl policy history -o json | jq -r .author", ""}},
              "The server keeps the last 100 versions; they survive its restart if it runs with\n"
              "--state. `policy show VERSION` prints one, `policy diff` compares them.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
