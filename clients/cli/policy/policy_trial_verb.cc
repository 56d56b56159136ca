#include <absl/strings/str_cat.h>
#include <absl/time/time.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "clients/cli/policy/policy_check.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/policy/trial_table.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {
namespace {

// The most rows of a table that is redrawn: more would not fit on the screen.
constexpr size_t kRowsOnScreen = 20;

struct Options {
  std::string file;
  std::vector<std::string> gateways;
  uint64_t count = std::numeric_limits<uint64_t>::max();
  std::string time;  // "": until ^C
  std::string output;
};

std::optional<absl::Duration> ParseTime(const std::string& text) {
  absl::Duration time;
  if (!absl::ParseDuration(text, &time) || time <= absl::ZeroDuration()) return std::nullopt;
  return std::min(time, absl::Hours(24 * 365));
}

// Writes in one piece, so that the screen does not flicker: home, the page, and clear the rest.
void Redraw(const TrialTable& table, Context& context) {
  std::ostringstream page;
  table.Print(kRowsOnScreen, context.color, page);
  std::string text = page.str();
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4) {
    text.replace(at, 1, "\x1b[K\n");
  }
  *context.out << "\x1b[H" << text << "\x1b[J";
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  v1::TryPolicyRequest request;
  v1::CheckPolicyResponse checked;
  if (absl::Status status = LoadGoodPolicy(options.file, options.output, context, connection,
                                           request.mutable_policy(), &checked);
      !status.ok()) {
    return status;
  }
  request.mutable_gateways()->Add(options.gateways.begin(), options.gateways.end());
  const bool json = options.output == "json";
  const bool redraw = context.terminal && !json;
  const std::stop_token stop = context.until_interrupt();
  LongCall call(stop);
  const std::optional<absl::Duration> time = ParseTime(options.time);
  if (time) {
    call.set_deadline(std::chrono::system_clock::now() +
                      std::chrono::nanoseconds(absl::ToInt64Nanoseconds(*time)));
  }
  const auto reader = connection.control().TryPolicy(&call, request);
  TrialTable table;
  v1::TryPolicyResponse response;
  bool enough = false;
  if (redraw) *context.out << "\x1b[2J";
  while (!enough && reader->Read(&response)) {
    table.Take(response);
    if (json) PrintJson(response, JsonFields::kPresent, context);
    if (redraw) Redraw(table, context);
    context.out->flush();
    enough = !context.out->good() || table.packets() >= options.count;
  }
  if (enough) call.TryCancel();
  const grpc::Status status = reader->Finish();
  if (!json && !redraw) {
    table.Print(std::numeric_limits<size_t>::max(), context.color, *context.out);
  }
  const bool over = time && status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (enough || over || stop.stop_requested()) return absl::OkStatus();
  if (status.ok()) return absl::UnavailableError("the server ended the trial");
  return connection.Explain(status);
}

}  // namespace

void AddPolicyTrialVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("trial", "Evaluate a policy against live traffic without enforcing it");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->file, "The policy; - is standard input")
      ->required()
      ->option_text(" ");
  verb->add_option("-g,--gateway", options->gateways,
                   "Only packets of this gateway; may be repeated")
      ->allow_extra_args(false)
      ->transform(AsUtf8())
      ->type_name("GATEWAY");
  verb->add_option("--count", options->count, "End once N packets were evaluated")
      ->check(CLI::Range(uint64_t{1}, std::numeric_limits<uint64_t>::max()))
      ->type_name("N");
  verb->add_option("--for", options->time, "End after TIME; without it, at ^C")
      ->type_name("TIME")
      ->check(CLI::Validator(
          [](std::string& text) {
            return ParseTime(text) ? std::string()
                                   : absl::StrCat("'", text, "' is not a time such as 60s or 5m");
          },
          ""));
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl policy trial next.policy", "until ^C"},
       {"sluicectl policy trial next.policy --for 10m -g gw1", ""},
       {"sluicectl policy trial next.policy --count 1000 -o json", "a line each second"}},
      "Nothing changes for the packets. A difference is a pair of rules, one of the policy in\n"
      "force and one of the policy on trial, that treat a packet differently: by action,\n"
      "notice, scope, log or the decider they ask. A rule that asks a decider is compared by\n"
      "what it does if the decider fails. Packets for which the server has no time are left\n"
      "out, and counted. On a terminal the table is kept up to date; otherwise it is printed\n"
      "at the end.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
