#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verbs/observe_stream.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

constexpr uint32_t kLastByDefault = 20;

struct Options {
  FilterOptions filter;
  ExtentOptions extent;
  std::string action;
  std::vector<std::string> causes;
  bool logged = false;
  std::string output;
};

v1::ObserveDecisionsRequest Request(const Options& options, v1::ObserveFilter filter) {
  v1::ObserveDecisionsRequest request;
  *request.mutable_filter() = std::move(filter);
  request.set_last(options.extent.last.value_or(kLastByDefault));
  request.set_follow(options.extent.follow);
  request.set_action(ParseAction(options.action).value_or(v1::ACTION_UNSPECIFIED));
  for (const std::string& cause : options.causes) {
    request.add_causes(ParseCause(cause).value_or(v1::CAUSE_UNSPECIFIED));
  }
  request.set_logged(options.logged);
  return request;
}

bool IsEntry(const v1::ObserveDecisionsResponse& response) { return response.has_decision(); }

void Print(const v1::ObserveDecisionsResponse& response, Table& table) {
  if (response.lost()) table.Line(LostLine(response.lost()));
  if (IsEntry(response)) {
    table.Row(DecisionRow(response.decision(), std::chrono::system_clock::now()));
  }
}

absl::Status Run(const Options& options, const v1::ObserveDecisionsRequest& request,
                 Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  return PrintStream<v1::ObserveDecisionsResponse>(
      context, connection, options.extent, options.output == "json", DecisionColumns(),
      [&](grpc::ClientContext* call) {
        return connection.observe().ObserveDecisions(call, request);
      },
      IsEntry, Print);
}

}  // namespace

CLI::App& AddObserveVerb(CLI::App& root) {
  CLI::App* const observe =
      root.add_subcommand("observe", "Show decisions and connections, past ones or as they happen");
  observe->require_subcommand(1);
  return *observe;
}

void AddDecisionsVerb(CLI::App& observe, Action* action) {
  CLI::App* const verb =
      observe.add_subcommand("decisions", "What was decided about packets, and why");
  const auto options = std::make_shared<Options>();
  AddFilterOptions(*verb, &options->filter);
  verb->add_option("-a,--action", options->action, "Only packets accepted, or only those dropped")
      ->type_name("accept|drop")
      ->check(CLI::Validator(
          [](std::string& text) {
            return ParseAction(text) ? std::string() : NotOneOf(text, ActionWords());
          },
          ""));
  verb->add_option("--cause", options->causes,
                   "Only for these causes: verdict, stale, table_full, no_decider …")
      ->type_name("CAUSE")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Validator(
          [](std::string& text) {
            return ParseCause(text) ? std::string() : NotOneOf(text, CauseWords());
          },
          ""));
  verb->add_flag("--logged", options->logged, "Only decisions by rules with `log`");
  AddExtentOptions(*verb, "default: 20", &options->extent);
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl observe decisions --action drop --last 100", "what was dropped, and why"},
       {"sluicectl observe decisions -f -p tcp --dport 443", "as it happens"},
       {"sluicectl observe decisions -f --logged", "what rules with `log` decide"},
       {"sluicectl observe decisions -f --addr 10.0.1.0/24 --count 10", ""},
       {"sluicectl observe decisions -f -o json | jq .decision.reason", ""}},
      "In JSON, a line is {\"decision\": …}, or {\"lost\": N} where N decisions are missing\n"
      "because sluicectl read too slowly. Addresses are text, 64-bit numbers are strings, and\n"
      "fields that are zero or empty are absent.");
  verb->callback([options, action] {
    absl::StatusOr<v1::ObserveFilter> filter = BuildFilter(options->filter);
    if (!filter.ok()) throw CLI::ValidationError(std::string(filter.status().message()));
    const v1::ObserveDecisionsRequest request = Request(*options, *std::move(filter));
    *action = [options, request](Context& context, Connection& connection) {
      return Run(*options, request, context, connection);
    };
  });
}

}  // namespace sluice::cli
