#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace sluice::cli {

// Adds `completion`, which puts the shell's script into `script`.
void AddCompletionVerb(CLI::App& root, std::string* script);

// The script for bash, zsh or fish; "" for another shell. It knows none of sluicectl's verbs: it
// asks the program itself, and so is never out of date.
std::string CompletionScript(const std::string& shell);

// The hidden verb that the completion scripts call.
inline constexpr char kCompleteVerb[] = "__complete";

struct Candidate {
  std::string word;
  std::string description;
};

struct Completion {
  bool files = false;  // a file name may be completed here
  std::vector<Candidate> candidates;
};

// Completes the last of `words`, which begin after the program's name; "" if nothing is typed yet.
// All knowledge comes from `app`, the tree that also parses the command line: verbs, options, and
// the name or type of an argument. "on|off" allows those words, FILE a file, GATEWAY what
// `gateways` returns for the --server typed ("" for none).
Completion Complete(
    const CLI::App& app, const std::vector<std::string>& words,
    const std::function<std::vector<std::string>(const std::string& server)>& gateways);

}  // namespace sluice::cli
