#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace sluice::cli {

// A text to be compared, and what it is called in the outcome.
struct DiffSide {
  std::string label;
  std::string text;
};

// What diff(1), of diffutils, says of the two in its unified format; empty if they are the same.
// They are handed over in memory.
absl::StatusOr<std::string> RunDiff(const DiffSide& before, const DiffSide& after);

}  // namespace sluice::cli
