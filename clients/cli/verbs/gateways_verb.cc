#include <absl/strings/str_cat.h>

#include <memory>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/verbs.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

Cell ModeCell(v1::Mode mode) {
  switch (mode) {
    case v1::MODE_ON:
      return {"on", Color::kGreen};
    case v1::MODE_UNSPECIFIED:
      return {"?", Color::kDim};
    default:
      return {ModeWord(mode), Color::kYellow};
  }
}

void PrintTable(const v1::ListGatewaysResponse& response, Context& context) {
  const auto now = std::chrono::system_clock::now();
  Table table({{"GATEWAY"},
               {"STATE"},
               {"MODE"},
               {"DECIDE STREAMS", Align::kRight},
               {"EVENTS"},
               {"AGENT"},
               {"ADDRESS"},
               {"LAST HEARD", Align::kRight}},
              context.out, context.color);
  for (const v1::Gateway& gateway : response.gateways()) {
    const Cell state =
        gateway.connected() ? Cell("connected", Color::kGreen) : Cell("away", Color::kRed);
    table.Row({gateway.name(), state, ModeCell(gateway.mode()),
               std::to_string(gateway.decide_streams()), gateway.reporting() ? "yes" : "no",
               gateway.agent_version(), gateway.address(),
               gateway.has_last_seen() ? FormatAge(Age(gateway.last_seen(), now)) + " ago" : "-"});
  }
}

absl::Status Run(const std::string& output, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  ShortCall call;
  v1::ListGatewaysResponse response;
  const grpc::Status status = connection.control().ListGateways(&call, {}, &response);
  if (!status.ok()) return connection.Explain(status);
  if (output == "table") {
    PrintTable(response, context);
    if (response.gateways().empty()) {
      *context.err << "sluicectl: no gateway has called the server at " << connection.server()
                   << " since it started\n";
    }
    return absl::OkStatus();
  }
  for (const v1::Gateway& gateway : response.gateways()) {
    if (output == "name") {
      *context.out << OneLine(gateway.name()) << '\n';
    } else {
      PrintJson(gateway, JsonFields::kAll, context);
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddGatewaysVerb(CLI::App& root, Action* action) {
  CLI::App* const verb = root.add_subcommand("gateways", "List the gateways the server has seen");
  const auto output = std::make_shared<std::string>();
  AddOutputOption(*verb, output.get(), {"table", "json", "name"});
  SetExamples(
      *verb, {{"sluicectl gateways", "who is connected, and in which mode"},
              {"sluicectl gateways -o name", "names only, one a line"},
              {"sluicectl gateways -o json | jq -r 'select(.connected|not).name'", "who is away"}});
  verb->callback([output, action] {
    *action = [output](Context& context, Connection& connection) {
      return Run(*output, context, connection);
    };
  });
}

}  // namespace sluice::cli
