#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace sluice::agent {

// How values are written in the configuration file. Pure functions; nullopt where `text` is not
// such a value.

// A whole number, decimal without leading zeros (they mean octal in YAML 1.1, decimal in 1.2) or
// 0x….
std::optional<uint64_t> ParseNumber(std::string_view text);

// Bytes: a number, or a decimal one followed by KiB, MiB or GiB.
std::optional<uint64_t> ParseBytes(std::string_view text);

// A duration with its unit, "50ms", "1.5s", "1m30s". Finite and not negative.
std::optional<absl::Duration> ParseTime(std::string_view text);

// `true` or `false`; YAML 1.1's other words for them are names of modes here.
std::optional<bool> ParseBool(std::string_view text);

}  // namespace sluice::agent
