#pragma once

#include <google/protobuf/duration.pb.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace sluice::cli {

// "60s", "1h30m": more than nothing and at most a day.
std::optional<google::protobuf::Duration> ParseConfirmWithin(const std::string& text);

// --confirm-within; `text` is "" where it is not given.
CLI::Option* AddConfirmWithinOption(CLI::App& verb, std::string* text,
                                    const std::string& description);

}  // namespace sluice::cli
