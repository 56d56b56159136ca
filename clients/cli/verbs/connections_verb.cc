#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verbs/observe_stream.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

struct Options {
  FilterOptions filter;
  ExtentOptions extent;
  std::vector<std::string> types;
  std::string output;
};

v1::ObserveConnectionsRequest Request(const Options& options, v1::ObserveFilter filter) {
  v1::ObserveConnectionsRequest request;
  *request.mutable_filter() = std::move(filter);
  request.set_last(options.extent.last.value_or(options.extent.follow ? 0 : UINT32_MAX));
  request.set_follow(options.extent.follow);
  for (const std::string& type : options.types) {
    request.add_types(ParseEventType(type).value_or(v1::EVENT_TYPE_UNSPECIFIED));
  }
  return request;
}

bool IsEntry(const v1::ObserveConnectionsResponse& response) { return response.has_flow(); }

void Print(const v1::ObserveConnectionsResponse& response, Table& table) {
  if (response.lost()) table.Line(LostLine(response.lost()));
  if (response.has_gap() || response.has_resync_done()) table.Line(GapLine(response));
  if (IsEntry(response)) {
    table.Row(ConnectionRow(response, std::chrono::system_clock::now()));
  }
}

absl::Status Run(const Options& options, const v1::ObserveConnectionsRequest& request,
                 Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  return PrintStream<v1::ObserveConnectionsResponse>(
      context, connection, options.extent, options.output == "json", ConnectionColumns(),
      [&](grpc::ClientContext* call) {
        return connection.observe().ObserveConnections(call, request);
      },
      IsEntry, Print);
}

}  // namespace

void AddConnectionsVerb(CLI::App& observe, Action* action) {
  CLI::App* const verb =
      observe.add_subcommand("connections", "Connections the gateways track (conntrack)");
  const auto options = std::make_shared<Options>();
  AddFilterOptions(*verb, &options->filter);
  verb->add_option("-t,--type", options->types, "Only of type new, update, destroy or snapshot")
      ->type_name("TYPE")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Validator(
          [](std::string& text) {
            return ParseEventType(text) ? std::string() : NotOneOf(text, EventTypeWords());
          },
          ""));
  AddExtentOptions(*verb, "default: all; with --follow, none", &options->extent);
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl observe connections --type snapshot", "those alive now"},
       {"sluicectl observe connections -f --type new,destroy", "as they begin and end"},
       {"sluicectl observe connections -f -6 --port 443 -g gw1", ""},
       {"sluicectl observe connections -o json | jq .flow.original", ""}},
      "Live connections are shown as snapshot, ended ones as destroy. Packets and bytes are\n"
      "shown as sent/answered, if the gateway counts them (nf_conntrack_acct).\n"
      "destroy? marks a connection whose end was not seen: it was missing after a gap.\n"
      "In JSON, addresses are text, 64-bit numbers are strings, and fields that are zero or\n"
      "empty are absent. A line with gap, resyncDone or lost stands where events are missing.");
  verb->callback([options, action] {
    absl::StatusOr<v1::ObserveFilter> filter = BuildFilter(options->filter);
    if (!filter.ok()) throw CLI::ValidationError(std::string(filter.status().message()));
    const v1::ObserveConnectionsRequest request = Request(*options, *std::move(filter));
    *action = [options, request](Context& context, Connection& connection) {
      return Run(*options, request, context, connection);
    };
  });
}

}  // namespace sluice::cli
