#pragma once

#include <absl/status/status.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "clients/cli/connection.h"
#include "clients/cli/context.h"

namespace sluice::cli {

// What the command line asked for, to be done once all of it has been understood. A failure's
// text is for people; the program prints it and exits with 1.
using Action = std::function<absl::Status(Context&, Connection&)>;

// Each verb is a file with one Add…Verb, which adds the verb to `root` and, when it is parsed,
// puts what to do into `action`. `action` outlives `root`.
void AddGatewaysVerb(CLI::App& root, Action* action);
void AddModeVerb(CLI::App& root, Action* action);
void AddStatVerb(CLI::App& root, Action* action);
void AddQueueVerb(CLI::App& root, Action* action);
void AddCacheVerb(CLI::App& root, Action* action);
void AddPolicyVerb(CLI::App& root, Action* action);
void AddServerVerb(CLI::App& root, Action* action);
void AddDecidersVerb(CLI::App& root, Action* action);
void AddScreenVerb(CLI::App& root, Action* action);
// `observe` has verbs of its own; the next two are added to the one this returns.
CLI::App& AddObserveVerb(CLI::App& root);
void AddDecisionsVerb(CLI::App& observe, Action* action);
void AddConnectionsVerb(CLI::App& observe, Action* action);

// The line an example is shown as in --help.
struct Example {
  std::string line;
  std::string what;
};

// `app`'s examples, below its options.
void SetExamples(CLI::App& app, const std::vector<Example>& examples, std::string notes = {});

// The positional argument GATEWAY, needed.
void AddGatewayArgument(CLI::App& verb, std::string* gateway);

// What becomes a string of the wire, which must be UTF-8; for CLI::Option::transform.
CLI::Validator AsUtf8();

// -o, one of `choices` (the first is the default).
void AddOutputOption(CLI::App& verb, std::string* output,
                     const std::vector<std::string>& choices = {"table", "json"});

// Says which words there are when `text` is none of them; for CLI::Option::check.
std::string NotOneOf(const std::string& text, const std::vector<std::string>& words);

}  // namespace sluice::cli
