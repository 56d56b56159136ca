#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace sluice::cli {

// The hidden verb the completion scripts call.
inline constexpr char kCompleteVerb[] = "__complete";

struct Candidate {
  std::string word;
  std::string description;
};

struct Completion {
  bool files = false;  // a file name belongs here
  std::vector<Candidate> candidates;
};

// What the last of `words` (after the program's name; "" where nothing is typed yet) may become.
// Everything is read from `app`, the tree the command line itself is parsed with: verbs, options,
// and from an argument's name or type what it may be: "on|off" those words, FILE a file, GATEWAY
// what `gateways` returns for the --server typed ("" for none).
Completion Complete(
    const CLI::App& app, const std::vector<std::string>& words,
    const std::function<std::vector<std::string>(const std::string& server)>& gateways);

}  // namespace sluice::cli
