#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sluice::cli {

// Adds `completion`, which puts the shell's script into `script`.
void AddCompletionVerb(CLI::App& root, std::string* script);

// The script for bash, zsh or fish; "" for another shell. It knows none of sluicectl's verbs: it
// asks the program itself, and so is never out of date.
std::string CompletionScript(const std::string& shell);

}  // namespace sluice::cli
