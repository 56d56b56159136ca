#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clients/cli/addresses.h"
#include "clients/cli/json.h"
#include "clients/cli/table.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"
#include "clients/cli/words.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string gateway;
  std::string what = "list";
  uint32_t limit = 0;
  std::string output;
};

std::string ScopeWord(v1::Scope scope) {
  switch (scope) {
    case v1::SCOPE_CONNECTION:
      return "connection";
    case v1::SCOPE_PEER:
      return "peer";
    case v1::SCOPE_SOURCE:
      return "source";
    default:
      return std::to_string(scope);
  }
}

std::optional<uint32_t> PortOf(bool has, uint32_t port) {
  return has ? std::optional<uint32_t>(port) : std::nullopt;
}

std::vector<Column> Columns() {
  return {{"ACTION"}, {"SCOPE"},       {"PROTOCOL"},
          {"SOURCE"}, {"DESTINATION"}, {"EXPIRES", Align::kRight},
          {"TELLS"}};
}

std::vector<Cell> Row(const v1::RememberedVerdict& verdict) {
  const bool accepts = verdict.action() == v1::ACTION_ACCEPT;
  return {
      {ActionWord(verdict.action()), accepts ? Color::kGreen : Color::kRed},
      ScopeWord(verdict.scope()),
      verdict.protocol() == 0 ? "-" : ProtocolWord(verdict.protocol()),
      FormatEndpoint(verdict.source(), PortOf(verdict.has_source_port(), verdict.source_port())),
      verdict.destination().empty()
          ? "-"
          : FormatEndpoint(verdict.destination(),
                           PortOf(verdict.has_destination_port(), verdict.destination_port())),
      verdict.has_expires_in() ? FormatTimeLeft(verdict.expires_in()) : "-",
      verdict.notify() == v1::NOTIFY_UNSPECIFIED ? "-" : NotifyWord(verdict.notify())};
}

absl::Status List(const Options& options, Context& context, Connection& connection) {
  v1::ListRememberedRequest request;
  request.set_gateway(options.gateway);
  request.set_limit(options.limit);
  ShortCall call;
  const auto reader = connection.control().ListRemembered(&call, request);
  // All of it before anything is shown: a pager takes longer than the call may.
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
        *context.out << ToJson(verdict, JsonFields::kPresent) << '\n';
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Clear(const Options& options, Context& context, Connection& connection) {
  v1::ClearRememberedRequest request;
  request.set_gateway(options.gateway);
  ShortCall call;
  v1::ClearRememberedResponse response;
  const grpc::Status status = connection.control().ClearRemembered(&call, request, &response);
  if (!status.ok()) return connection.Explain(status, options.gateway);
  if (options.output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else {
    *context.out << options.gateway << ": " << response.cleared()
                 << " forgotten; what they were about is asked again\n";
  }
  return absl::OkStatus();
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  return options.what == "clear" ? Clear(options, context, connection)
                                 : List(options, context, connection);
}

}  // namespace

void AddCacheVerb(CLI::App& root, Action* action) {
  CLI::App* const verb =
      root.add_subcommand("cache", "List or clear the verdicts a gateway's kernel remembers");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  verb->add_option("WHAT", options->what, "List them, or forget them all")
      ->type_name("list|clear")
      ->capture_default_str()
      ->check(CLI::Validator(
          [](std::string& text) {
            const std::vector<std::string> words = {"list", "clear"};
            return text == "list" || text == "clear" ? std::string() : NotOneOf(text, words);
          },
          ""));
  verb->add_option("-n,--limit", options->limit, "List so many at most (if not said all)")
      ->type_name("N");
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl cache gw1", "who passes, or is dropped, without being asked about"},
       {"sluicectl cache gw1 clear", "ask about everybody again, live connections too"},
       {"sluicectl cache gw1 -o json | jq -r 'select(.scope==\"SCOPE_SOURCE\").source'", ""}},
      "A connection is shown by its first packet. Accepted ones have no time: they are\n"
      "remembered while the gateway tracks them. How many packets were settled so is in\n"
      "`sluicectl stat`.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
