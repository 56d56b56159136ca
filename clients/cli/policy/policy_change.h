#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "clients/cli/format/text.h"
#include "clients/cli/policy/policy_words.h"
#include "clients/cli/verb/confirm_within.h"
#include "clients/cli/verb/context.h"
#include "clients/cli/verb/verb.h"
#include "proto/text/text.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// What `policy apply` and `policy rollback` have in common.
struct ChangeOptions {
  std::string author;  // "": the user who runs the program
  std::optional<uint64_t> if_version;
  std::string confirm_within;  // "": it stays
};

inline void AddChangeOptions(CLI::App& verb, ChangeOptions* options) {
  verb.add_option("--author", options->author,
                  "Who makes the change, for the history (default: "
                  "user@host)")
      ->transform(AsUtf8())
      ->type_name("NAME");
  verb.add_option("--if-version", options->if_version,
                  "Only if VERSION is the current one, not over a colleague's change")
      ->type_name("VERSION");
  AddConfirmWithinOption(verb, &options->confirm_within,
                         "Go back to the last confirmed policy after TIME, unless `policy confirm` "
                         "is run before then");
}

template <typename Request>
void FillChange(const ChangeOptions& options, const Context& context, Request* request) {
  request->set_author(options.author.empty() ? ToUtf8(context.user) : options.author);
  if (options.if_version) request->set_if_version(*options.if_version);
  if (const auto within = ParseConfirmWithin(options.confirm_within)) {
    *request->mutable_confirm_within() = *within;
  }
}

// Prints the previous and the current version, and how to confirm the current one if needed.
inline void PrintChange(const v1::Policy& previous, const v1::Policy& current, Context& context) {
  *context.out << "was " << Describe(previous) << "\nnow " << Describe(current) << '\n';
  if (!current.has_reverts_in()) return;
  *context.out << "reverts in " << FormatTimeLeft(current.reverts_in())
               << " unless confirmed by: sluicectl policy confirm " << current.version() << '\n';
}

}  // namespace sluice::cli
