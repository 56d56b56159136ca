#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>

#include <memory>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

std::string RoundTrip(const v1::Decider& decider) {
  if (!decider.has_round_trip()) return "-";
  const int64_t us = google::protobuf::util::TimeUtil::DurationToMicroseconds(decider.round_trip());
  return FormatMicroseconds(static_cast<uint64_t>(us));
}

// Highlights packets that got the `else` of their rule.
Cell Missed(uint64_t packets) {
  return {std::to_string(packets), packets > 0 ? Color::kYellow : Color::kNone};
}

void PrintTable(const v1::ListDecidersResponse& response, Context& context) {
  Table table({{"DECIDER"},
               {"ADDRESS"},
               {"STATE"},
               {"ASKED", Align::kRight},
               {"ANSWERED", Align::kRight},
               {"TIMED OUT", Align::kRight},
               {"FAILED", Align::kRight},
               {"NOT ASKED", Align::kRight},
               {"WAITING", Align::kRight},
               {"RTT", Align::kRight}},
              context.out, context.color);
  for (const v1::Decider& decider : response.deciders()) {
    const Cell state = decider.connected() ? Cell("up", Color::kGreen) : Cell("away", Color::kRed);
    table.Row({decider.name(), decider.address(), state, std::to_string(decider.asked()),
               std::to_string(decider.answered()), Missed(decider.timed_out()),
               Missed(decider.failed()), Missed(decider.unasked()),
               std::to_string(decider.waiting()), RoundTrip(decider)});
  }
}

absl::Status Run(const std::string& output, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  ShortCall call;
  v1::ListDecidersResponse response;
  const grpc::Status status = connection.control().ListDeciders(&call, {}, &response);
  if (!status.ok()) return connection.Explain(status);
  if (output == "table") {
    PrintTable(response, context);
    if (response.deciders().empty()) {
      *context.err << "sluicectl: no rule of the policy asks a decider (`ask`)\n";
    }
    return absl::OkStatus();
  }
  for (const v1::Decider& decider : response.deciders()) {
    PrintJson(decider, JsonFields::kAll, context);
  }
  return absl::OkStatus();
}

}  // namespace

void AddDecidersVerb(CLI::App& root, Action* action) {
  CLI::App* const verb = root.add_subcommand("deciders", "List the deciders that rules ask");
  const auto output = std::make_shared<std::string>();
  AddOutputOption(*verb, output.get());
  SetExamples(
      *verb,
      {{"sluicectl deciders", "who is up, and how many packets they answer"},
       {"sluicectl deciders -o json | jq -r 'select(.connected|not).address'", "who is away"}},
      "Packets under TIMED OUT, FAILED and NOT ASKED got the `else` of their rule, unless one "
      "that\nFAILED at one address was then asked about at the next.");
  verb->callback([output, action] {
    *action = [output](Context& context, Connection& connection) {
      return Run(*output, context, connection);
    };
  });
}

}  // namespace sluice::cli
