#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sluice::cli {

// Adds `completion`, which puts the shell's script into `script`.
void AddCompletionVerb(CLI::App& root, std::string* script);

// The script for bash, zsh or fish; "" for another shell. It holds no knowledge of sluicectl's
// verbs but asks the program itself, so that it is never out of date.
std::string CompletionScript(const std::string& shell);

}  // namespace sluice::cli
