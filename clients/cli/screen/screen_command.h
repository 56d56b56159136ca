#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string_view>

#include "sluice/v1/decision.pb.h"

namespace sluice::cli {

// One line of input to `sluicectl screen`.
struct ScreenCommand {
  enum class Kind { kNothing, kDecide, kHelp, kQuit };
  enum class Which { kOldest, kNumber, kAll };

  Kind kind = Kind::kNothing;
  v1::Verdict verdict;  // of kDecide; without a transaction id
  Which which = Which::kOldest;
  uint64_t number = 0;  // of kNumber
};

// Parses "drop tcp-reset 3 because it is old", "hold 2.5", "quit" …; "" and comments are kNothing.
// INVALID_ARGUMENT says what was not understood.
absl::StatusOr<ScreenCommand> ParseScreenCommand(std::string_view line);

// `seconds` as a Duration of the wire.
google::protobuf::Duration HoldSeconds(double seconds);

// The help text: the commands, a line each.
extern const char kScreenHelp[];

}  // namespace sluice::cli
