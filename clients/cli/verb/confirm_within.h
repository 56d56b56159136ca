#pragma once

#include <google/protobuf/duration.pb.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace sluice::cli {

// Parses "60s" or "1h30m": more than 0 and at most a day.
std::optional<google::protobuf::Duration> ParseConfirmWithin(const std::string& text);

// Adds --confirm-within; `text` stays "" where it is not given.
CLI::Option* AddConfirmWithinOption(CLI::App& verb, std::string* text,
                                    const std::string& description);

}  // namespace sluice::cli
