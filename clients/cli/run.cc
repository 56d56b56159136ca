#include "clients/cli/run.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <memory>

#include "clients/cli/completion.h"
#include "clients/cli/format/text.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/screen/screen_verb.h"
#include "clients/cli/verb/connection.h"
#include "clients/cli/verb/verb.h"
#include "clients/cli/verbs/verbs.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

constexpr int kDone = 0;
constexpr int kNotUnderstood = 2;

struct Line {
  std::string server;
  Action action;
  std::string script;  // a completion script to print; needs no server
};

std::unique_ptr<CLI::App> MakeApp(Line* line) {
  auto app = std::make_unique<CLI::App>("Controls and inspects a Sluice server and its gateways.",
                                        "sluicectl");
  app->fallthrough();  // --server may stand after the verb
  app->require_subcommand(1);
  app->get_formatter()->column_width(34);
  app->get_formatter()->label("SUBCOMMAND", "VERB");
  app->group("Verbs");  // the verbs inherit it
  app->add_option("-s,--server", line->server,
                  "The server: address:port, name:port or unix:/path\n"
                  "(default: $SLUICE_SERVER, or else 127.0.0.1:7654)")
      ->type_name("ADDR")
      ->check(CLI::Validator(
          [](std::string& text) {
            return text.starts_with("http") && text.find("://") != std::string::npos
                       ? absl::StrCat("'", text, "' is a URL: only address:port is wanted")
                       : std::string();
          },
          ""));
  AddGatewaysVerb(*app, &line->action);
  AddModeVerb(*app, &line->action);
  AddStatVerb(*app, &line->action);
  AddQueueVerb(*app, &line->action);
  AddRememberedVerb(*app, &line->action);
  AddPolicyVerb(*app, &line->action);
  AddDecidersVerb(*app, &line->action);
  AddServerVerb(*app, &line->action);
  AddScreenVerb(*app, &line->action);
  CLI::App& observe = AddObserveVerb(*app);
  AddDecisionsVerb(observe, &line->action);
  AddConnectionsVerb(observe, &line->action);
  SetExamples(observe, {{"sluicectl observe decisions -f", "as they happen"},
                        {"sluicectl observe connections --type snapshot", "those alive now"}});
  AddCompletionVerb(*app, &line->script);
  SetExamples(*app,
              {{"sluicectl gateways", "who is connected"},
               {"sluicectl mode gw1 on", "ask before forwarding"},
               {"sluicectl policy apply my.policy", "what the gateways may forward"},
               {"sluicectl observe decisions -f", "what is decided, and why"},
               {"sluicectl stat gw1 --watch", "how much, and how fast"}},
              "Exit codes: 0 done, 1 failed, 2 usage error. `sluicectl VERB --help` says more.");
  return app;
}

// The deepest verb that the command line names, and the words up to it: "sluicectl policy check".
std::pair<const CLI::App*, std::string> Deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string path = app.get_name();
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  return {at, path};
}

int Complain(const CLI::App& app, const CLI::ParseError& error, Context& context) {
  const auto [verb, path] = Deepest(app);
  std::string message = error.what();
  std::vector<std::string> words;
  for (const CLI::App* word : verb->get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(word->get_name());
  }
  if (!words.empty() && error.get_name() == "RequiredError") {
    const std::vector<std::string> rest = app.remaining(/*recurse=*/true);
    const auto word = std::find_if(rest.begin(), rest.end(),
                                   [](const std::string& text) { return !text.starts_with('-'); });
    message = word == rest.end() ? absl::StrCat("a verb is missing: ", absl::StrJoin(words, ", "))
                                 : NotOneOf(*word, words);
  }
  *context.err << "sluicectl: " << OneLine(message) << "\nsluicectl: `" << path
               << " --help` says how it is used\n";
  return kNotUnderstood;
}

std::vector<std::string> GatewayNames(const std::string& server) {
  Connection connection(server);
  std::vector<std::string> names;
  if (!connection.Connect(std::chrono::seconds(1)).ok()) return names;
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  v1::ListGatewaysResponse response;
  if (!connection.control().ListGateways(&call, {}, &response).ok()) return names;
  for (const v1::Gateway& gateway : response.gateways()) names.push_back(gateway.name());
  return names;
}

// Answers what the completion scripts call: `sluicectl __complete -- WORD…`.
int CompleteWords(const CLI::App& app, const std::vector<std::string>& arguments,
                  Context& context) {
  std::vector<std::string> words(arguments.begin() + 1, arguments.end());
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  const Completion completion = Complete(app, words, [&context](const std::string& server) {
    return GatewayNames(server.empty() ? context.default_server : server);
  });
  *context.out << (completion.files ? "files\n" : "words\n");
  for (const Candidate& candidate : completion.candidates) {
    // What a candidate is has one line; the rest of a longer text is for --help.
    const std::string& what = candidate.description;
    *context.out << OneLine(candidate.word) << '\t' << what.substr(0, what.find('\n')) << '\n';
  }
  return kDone;
}

}  // namespace

int Run(const std::vector<std::string>& arguments, Context& context) {
  Line line;
  const std::unique_ptr<CLI::App> app = MakeApp(&line);
  if (!arguments.empty() && arguments.front() == kCompleteVerb) {
    return CompleteWords(*app, arguments, context);
  }
  try {
    // CLI11 wants them in reverse order.
    app->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp& help) {
    return app->exit(help, *context.out, *context.err);
  } catch (const CLI::ParseError& error) {
    return Complain(*app, error, context);
  }
  if (!line.script.empty()) {
    *context.out << line.script;
    return kDone;
  }
  Connection connection(line.server.empty() ? context.default_server : line.server);
  const absl::Status status = line.action(context, connection);
  context.out->flush();
  if (status.ok()) return context.done;
  *context.err << "sluicectl: " << SafeLines(std::string(status.message())) << '\n';
  return context.failed;
}

}  // namespace sluice::cli
