#include <absl/strings/str_cat.h>

#include <memory>

#include "clients/cli/json.h"
#include "clients/cli/verb.h"
#include "clients/cli/words.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string gateway;
  std::string mode;  // "" only reads
  std::string output;
};

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::SetModeRequest request;
  request.set_gateway(options.gateway);
  if (!options.mode.empty()) {
    request.set_mode(ParseMode(options.mode).value_or(v1::MODE_UNSPECIFIED));
  }
  ShortCall call;
  v1::SetModeResponse response;
  const grpc::Status status = connection.control().SetMode(&call, request, &response);
  if (!status.ok()) return connection.Explain(status, options.gateway);
  if (options.output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else if (options.mode.empty()) {
    *context.out << options.gateway << ": " << ModeWord(response.current()) << '\n';
  } else {
    *context.out << options.gateway << ": was " << ModeWord(response.previous()) << ", is now "
                 << ModeWord(response.current()) << '\n';
  }
  return absl::OkStatus();
}

}  // namespace

void AddModeVerb(CLI::App& root, Action* action) {
  CLI::App* const verb =
      root.add_subcommand("mode", "Read or set whether a gateway asks before it forwards");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  verb->add_option("MODE", options->mode, "The mode to set; without it, it is only read")
      ->type_name("on|off|shadow")
      ->check(CLI::Validator(
          [](std::string& text) {
            return ParseMode(text) ? std::string() : NotOneOf(text, ModeWords());
          },
          ""));
  AddOutputOption(*verb, &options->output);
  SetExamples(*verb,
              {{"sluicectl mode gw1", "read it"},
               {"sluicectl mode gw1 on", "every forwarded packet needs a verdict from now on"},
               {"sluicectl mode gw1 off", "forward everything, ask nothing"}},
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
