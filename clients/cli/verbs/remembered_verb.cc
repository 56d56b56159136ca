#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "clients/cli/format/addresses.h"
#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/verbs.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string gateway;
  std::string what = "list";
  uint32_t limit = 0;
  std::string output;
};

std::optional<uint32_t> PortOf(bool has, uint32_t port) {
  return has ? std::optional<uint32_t>(port) : std::nullopt;
}

std::vector<Column> Columns() {
  return {{"ACTION"},
          {"SCOPE"},
          {"PROTOCOL"},
          {"SOURCE"},
          {"DESTINATION"},
          {"IN>OUT"},
          {"ZONE", Align::kRight},
          {"EXPIRES", Align::kRight},
          {"NOTICE"}};
}

// "tcp", "icmp 8/0": type and code.
std::string Protocol(const v1::RememberedVerdict& verdict) {
  if (verdict.protocol() == 0) return "-";
  std::string text = ProtocolWord(verdict.protocol());
  if (verdict.has_icmp_type()) {
    absl::StrAppend(&text, " ", verdict.icmp_type(), "/", verdict.icmp_code());
  }
  return text;
}

// The name, or the index of a device that is gone.
std::string Device(const std::string& name, uint32_t ifindex) {
  return name.empty() ? absl::StrCat("#", ifindex) : OneLine(name);
}

std::string Devices(const v1::RememberedVerdict& verdict) {
  if (verdict.input_ifindex() == 0) return "-";
  const std::string input = Device(verdict.input_interface(), verdict.input_ifindex());
  if (verdict.output_ifindex() == 0) return absl::StrCat(input, ">*");
  return absl::StrCat(input, ">", Device(verdict.output_interface(), verdict.output_ifindex()));
}

std::vector<Cell> Row(const v1::RememberedVerdict& verdict) {
  const bool accepts = verdict.action() == v1::ACTION_ACCEPT;
  return {
      {ActionWord(verdict.action()), accepts ? Color::kGreen : Color::kRed},
      ScopeWord(verdict.scope()),
      Protocol(verdict),
      FormatEndpoint(verdict.source(), PortOf(verdict.has_source_port(), verdict.source_port())),
      verdict.destination().empty()
          ? "-"
          : FormatEndpoint(verdict.destination(),
                           PortOf(verdict.has_destination_port(), verdict.destination_port())),
      Devices(verdict),
      absl::StrCat(verdict.zone()),
      verdict.has_expires_in() ? FormatTimeLeft(verdict.expires_in()) : "-",
      verdict.notify() == v1::NOTIFY_UNSPECIFIED ? "-" : NotifyWord(verdict.notify())};
}

absl::Status List(const Options& options, Context& context, Connection& connection) {
  v1::ListRememberedRequest request;
  request.set_gateway(options.gateway);
  request.set_limit(options.limit);
  ShortCall call;
  const auto reader = connection.control().ListRemembered(&call, request);
  // Reads everything before it shows anything: a pager may take longer than the call's deadline.
  std::vector<v1::ListRememberedResponse> parts;
  for (v1::ListRememberedResponse part; reader->Read(&part);) parts.push_back(std::move(part));
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return connection.Explain(status, options.gateway);
  std::optional<Table> table;
  if (options.output != "json") table.emplace(Columns(), context.out, context.color);
  for (const v1::ListRememberedResponse& part : parts) {
    for (const v1::RememberedVerdict& verdict : part.verdicts()) {
      if (table) {
        table->Row(Row(verdict));
      } else {
        PrintJson(verdict, JsonFields::kPresent, context);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Forget(const Options& options, Context& context, Connection& connection) {
  v1::ForgetRememberedRequest request;
  request.set_gateway(options.gateway);
  ShortCall call;
  v1::ForgetRememberedResponse response;
  const grpc::Status status = connection.control().ForgetRemembered(&call, request, &response);
  if (!status.ok()) return connection.Explain(status, options.gateway);
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
  } else {
    *context.out << options.gateway << ": " << response.forgotten()
                 << " forgotten; their packets are asked about again\n";
  }
  return absl::OkStatus();
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  return options.what == "forget" ? Forget(options, context, connection)
                                  : List(options, context, connection);
}

}  // namespace

void AddRememberedVerb(CLI::App& root, Action* action) {
  CLI::App* const verb =
      root.add_subcommand("remembered", "List or forget the verdicts a gateway's kernel remembers");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  verb->add_option("WHAT", options->what, "List them, or forget them all")
      ->type_name("list|forget")
      ->capture_default_str()
      ->check(CLI::Validator(
          [](std::string& text) {
            const std::vector<std::string> words = {"list", "forget"};
            return text == "list" || text == "forget" ? std::string() : NotOneOf(text, words);
          },
          ""));
  verb->add_option("-n,--limit", options->limit, "List at most N (default: all)")->type_name("N");
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl remembered gw1", "what is accepted or dropped without asking"},
       {"sluicectl remembered gw1 forget", "ask about everything again, live connections too"},
       {"sluicectl remembered gw1 -o json | jq -r 'select(.scope==\"SCOPE_SOURCE\").source'", ""}},
      "A connection is shown by its first packet. Accepted connections do not expire: they are\n"
      "remembered while the gateway tracks them. An entry holds for packets that enter and\n"
      "leave by these devices (* is any), in this zone of connection tracking.\n"
      "`sluicectl stat` counts the packets that needed no question because of them.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
