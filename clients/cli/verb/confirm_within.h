#pragma once

#include <absl/strings/str_cat.h>
#include <absl/time/time.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/util/time_util.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace sluice::cli {

// Parses "60s" or "1h30m": more than 0 and at most a day.
inline std::optional<google::protobuf::Duration> ParseConfirmWithin(const std::string& text) {
  absl::Duration time;
  if (!absl::ParseDuration(text, &time) || time <= absl::ZeroDuration()) return std::nullopt;
  if (time > absl::Hours(24)) return std::nullopt;
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(time));
}

// Adds --confirm-within; `text` stays "" where it is not given.
inline CLI::Option* AddConfirmWithinOption(CLI::App& verb, std::string* text,
                                           const std::string& description) {
  return verb.add_option("--confirm-within", *text, description)
      ->type_name("TIME")
      ->check(CLI::Validator(
          [](std::string& given) {
            return ParseConfirmWithin(given) ? std::string()
                                             : absl::StrCat("'", given,
                                                            "' is not a time of at most a day, "
                                                            "such as 60s or 5m");
          },
          ""));
}

}  // namespace sluice::cli
