#pragma once

#include <chrono>
#include <string_view>

#include "absl/status/statusor.h"

namespace sluice::server::policy {

// A decimal number directly followed by `ms`, `s`, `m` or `h`, from `least` to `most`.
// INVALID_ARGUMENT: something else; the message says what it should be.
absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text,
                                                        std::chrono::milliseconds least,
                                                        std::chrono::milliseconds most);

}  // namespace sluice::server::policy
