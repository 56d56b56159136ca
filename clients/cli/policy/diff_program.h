#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace sluice::cli {

// A text to be compared, and its name in the output.
struct DiffSide {
  std::string label;
  std::string text;
};

// The unified diff of the two by diff(1), of diffutils; empty if they are the same. Hands them over
// in memory.
absl::StatusOr<std::string> RunDiff(const DiffSide& before, const DiffSide& after);

}  // namespace sluice::cli
