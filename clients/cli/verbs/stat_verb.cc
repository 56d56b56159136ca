#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>

#include <memory>
#include <optional>
#include <sstream>

#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/stat_totals.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

// The server reads no more often than every 0.1 s, and nobody reads less often than once a day.
constexpr double kLeastSeconds = 0.1;
constexpr double kMostSeconds = 86400;

struct Options {
  std::string gateway;
  std::string output;
  bool watch = false;
  std::string seconds;  // as typed; "" is one
};

std::optional<double> Seconds(const std::string& text) {
  if (text.empty()) return 1;
  double seconds;
  if (absl::SimpleAtod(text, &seconds) && seconds >= kLeastSeconds && seconds <= kMostSeconds) {
    return seconds;
  }
  return std::nullopt;
}

void Print(const Options& options, const v1::GatewayStats& stats, const v1::GatewayStats* before,
           Context& context) {
  if (options.output == "json") {
    PrintJson(stats, JsonFields::kAll, context);
  } else if (context.terminal && options.watch) {
    // In one piece, so that the screen does not flicker: home, the page, and clear the rest.
    std::ostringstream page;
    PrintStatPage(stats, before, context.color, page);
    std::string text = page.str();
    for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4) {
      text.replace(at, 1, "\x1b[K\n");
    }
    *context.out << "\x1b[H" << text << "\x1b[J";
  } else {
    PrintStatPage(stats, before, context.color, *context.out);
    if (options.watch) *context.out << '\n';
  }
  context.out->flush();
}

absl::Status Watch(const Options& options, Context& context, Connection& connection) {
  const std::stop_token stop = context.until_interrupt();
  v1::WatchStatsRequest request;
  request.set_gateway(options.gateway);
  *request.mutable_interval() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
      static_cast<int64_t>(Seconds(options.seconds).value_or(1) * 1000));
  LongCall call(stop);
  const auto reader = connection.control().WatchStats(&call, request);
  std::optional<v1::GatewayStats> before;
  v1::WatchStatsResponse response;
  if (context.terminal && options.output != "json") *context.out << "\x1b[2J";
  while (reader->Read(&response)) {
    Print(options, response.stats(), before ? &*before : nullptr, context);
    if (!context.out->good()) call.TryCancel();
    before = std::move(*response.mutable_stats());
  }
  const grpc::Status status = reader->Finish();
  if (stop.stop_requested() || !context.out->good()) return absl::OkStatus();
  if (status.ok()) return absl::UnavailableError("the server ended the watch");
  return connection.Explain(status, options.gateway);
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  if (options.watch) return Watch(options, context, connection);
  v1::GetStatsRequest request;
  request.set_gateway(options.gateway);
  ShortCall call;
  v1::GetStatsResponse response;
  const grpc::Status status = connection.control().GetStats(&call, request, &response);
  if (!status.ok()) return connection.Explain(status, options.gateway);
  Print(options, response.stats(), nullptr, context);
  return absl::OkStatus();
}

std::string CheckSeconds(std::string& text) {
  if (Seconds(text)) return "";
  return absl::StrCat("'", text, "' is not a number of seconds from ", kLeastSeconds, " to ",
                      kMostSeconds);
}

constexpr char kNotes[] =
    "The first table is that of screenstat(8); the other columns add up to packets:\n"
    "  nobuffer  no room in the kernel's queue or in the agent's table (kernel_queue_full,\n"
    "            table_full)\n"
    "  accept    accepted by verdict        reject  dropped by verdict\n"
    "  badsync   a later packet was decided first, under strict ordering\n"
    "  stale     no verdict in time         queued  waiting for a verdict now\n"
    "  other     what screenstat has no column for; the second table shows all causes\n"
    "Counters start with the agent; those of its table go on while the table stays.\n"
    "In JSON, 64-bit numbers are strings.";

}  // namespace

void AddStatVerb(CLI::App& root, Action* action) {
  CLI::App* const verb = root.add_subcommand("stat", "Show a gateway's counters");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  AddOutputOption(*verb, &options->output);
  CLI::Option* const watch =
      verb->add_option("-w,--watch", options->seconds, "Show them again every SECONDS, until ^C")
          ->expected(0, 1)
          ->default_str("1")
          ->type_name("SECONDS")
          ->check(CLI::Validator(CheckSeconds, ""));
  SetExamples(*verb,
              {{"sluicectl stat gw1", ""},
               {"sluicectl stat gw1 --watch", "a page that stays current, with rates"},
               {"sluicectl stat gw1 -o json --watch 10 >> gw1.log", "a line every ten seconds"}},
              kNotes);
  verb->callback([options, watch, action] {
    options->watch = watch->count() > 0;
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
