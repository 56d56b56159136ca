#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "clients/cli/verb/confirm_within.h"
#include "clients/cli/verb/context.h"
#include "proto/text/text.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// What `policy apply` and `policy rollback` have in common.
struct ChangeOptions {
  std::string author;  // "": the user who runs the program
  std::optional<uint64_t> if_version;
  std::string confirm_within;  // "": it stays
};

void AddChangeOptions(CLI::App& verb, ChangeOptions* options);

template <typename Request>
void FillChange(const ChangeOptions& options, const Context& context, Request* request) {
  request->set_author(options.author.empty() ? ToUtf8(context.user) : options.author);
  if (options.if_version) request->set_if_version(*options.if_version);
  if (const auto within = ParseConfirmWithin(options.confirm_within)) {
    *request->mutable_confirm_within() = *within;
  }
}

// Prints the previous and the current version, and how to confirm the current one if needed.
void PrintChange(const v1::Policy& previous, const v1::Policy& current, Context& context);

}  // namespace sluice::cli
