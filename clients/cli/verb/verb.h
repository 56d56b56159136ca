#pragma once

#include <absl/status/status.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "clients/cli/verb/connection.h"
#include "clients/cli/verb/context.h"

namespace sluice::cli {

// What the command line asks for. It runs once all of the line has been understood. A failure's
// text is for people: the program prints it and exits with 1.
using Action = std::function<absl::Status(Context&, Connection&)>;

// An example of --help: a command line, and what it does.
struct Example {
  std::string line;
  std::string what;
};

// Shows `notes` and `examples` below the options of `app`.
void SetExamples(CLI::App& app, const std::vector<Example>& examples, std::string notes = {});

// Adds the required positional argument GATEWAY.
void AddGatewayArgument(CLI::App& verb, std::string* gateway);

// Makes an argument valid UTF-8, as strings of the wire must be; for CLI::Option::transform.
CLI::Validator AsUtf8();

// Adds -o, which takes one of `choices` (the first is the default).
void AddOutputOption(CLI::App& verb, std::string* output,
                     const std::vector<std::string>& choices = {"table", "json"});

// The message for a `text` that is not one of `words`; for CLI::Option::check.
std::string NotOneOf(const std::string& text, const std::vector<std::string>& words);

}  // namespace sluice::cli
