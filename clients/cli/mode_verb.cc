#include <memory>

#include "clients/cli/confirm_within.h"
#include "clients/cli/print_json.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"
#include "clients/cli/words.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string gateway;
  std::string mode;            // "" only reads
  std::string confirm_within;  // "" is for good
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
  CLI::App* const verb =
      root.add_subcommand("mode", "Read or set whether a gateway asks before it forwards");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  CLI::Option* const mode =
      verb->add_option("MODE", options->mode, "The mode to set; without it, it is only read")
          ->type_name("on|off|shadow")
          ->check(CLI::Validator(
              [](std::string& text) {
                return ParseMode(text) ? std::string() : NotOneOf(text, ModeWords());
              },
              ""));
  AddConfirmWithinOption(*verb, &options->confirm_within,
                         "Go back to the mode before unless this one is set again, without this "
                         "option, in that time")
      ->needs(mode);
  AddOutputOption(*verb, &options->output);
  SetExamples(*verb,
              {{"sluicectl mode gw1", "read it"},
               {"sluicectl mode gw1 on", "every forwarded packet needs a verdict from now on"},
               {"sluicectl mode gw1 off", "forward everything, ask nothing"},
               {"sluicectl mode gw1 on --confirm-within 60s",
                "and back in a minute, unless `sluicectl mode gw1 on` still gets through"}},
              "  on      every forwarded packet needs a verdict; without one it is dropped\n"
              "  off     everything is forwarded; packets still waiting are let through\n"
              "  shadow  packets are asked about and counted, and all are forwarded\n"
              "Prints the mode before and the mode now.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
