#include <memory>

#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verb/confirm_within.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string gateway;
  std::string mode;            // "": only read it
  std::string confirm_within;  // "": it stays
  std::string output;
};

void Print(const Options& options, const v1::SetModeResponse& response, Context& context) {
  if (options.mode.empty()) {
    *context.out << options.gateway << ": " << ModeWord(response.current());
  } else {
    *context.out << options.gateway << ": was " << ModeWord(response.previous()) << ", is now "
                 << ModeWord(response.current());
  }
  if (response.has_reverts_in()) {
    *context.out << ", reverts in " << FormatTimeLeft(response.reverts_in())
                 << " unless confirmed by: sluicectl mode " << options.gateway << ' '
                 << ModeWord(response.current());
  }
  *context.out << '\n';
  if (!options.confirm_within.empty() && !response.has_reverts_in()) {
    *context.err << "sluicectl: it will not revert: this was the last confirmed mode already, or "
                    "the agent does not know --confirm-within\n";
  }
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::SetModeRequest request;
  request.set_gateway(options.gateway);
  if (!options.mode.empty()) {
    request.set_mode(ParseMode(options.mode).value_or(v1::MODE_UNSPECIFIED));
  }
  if (const auto within = ParseConfirmWithin(options.confirm_within)) {
    *request.mutable_confirm_within() = *within;
  }
  ShortCall call;
  v1::SetModeResponse response;
  const grpc::Status status = connection.control().SetMode(&call, request, &response);
  if (!status.ok()) return connection.Explain(status, options.gateway);
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
  } else {
    Print(options, response, context);
  }
  return absl::OkStatus();
}

}  // namespace

void AddModeVerb(CLI::App& root, Action* action) {
  CLI::App* const verb = root.add_subcommand(
      "mode", "Show or set a gateway's mode: whether it asks before it forwards");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  CLI::Option* const mode =
      verb->add_option("MODE", options->mode, "The mode to set; without it, the mode is only shown")
          ->type_name("on|off|shadow")
          ->check(CLI::Validator(
              [](std::string& text) {
                return ParseMode(text) ? std::string() : NotOneOf(text, ModeWords());
              },
              ""));
  AddConfirmWithinOption(*verb, &options->confirm_within,
                         "Go back to the previous mode after TIME, unless MODE is set again before "
                         "then, without this option")
      ->needs(mode);
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl mode gw1", "show it"},
       {"sluicectl mode gw1 on", "every forwarded packet needs a verdict from now on"},
       {"sluicectl mode gw1 off", "forward everything without asking"},
       {"sluicectl mode gw1 on --confirm-within 60s",
        "back in a minute, unless `sluicectl mode gw1 on` confirms it"}},
      "  on      every forwarded packet needs a verdict; without one it gets the fallback,\n"
      "          which is to be dropped unless the agent has fail_mode: open\n"
      "  off     everything is forwarded; packets still waiting are let through\n"
      "  shadow  packets are asked about and counted, and all are forwarded\n"
      "Prints the previous and the current mode.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
