#include "server/policy/terms/duration.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

using std::chrono::milliseconds;

constexpr std::pair<std::string_view, milliseconds> kUnits[] = {
    {"ms", milliseconds(1)},
    {"s", std::chrono::seconds(1)},
    {"m", std::chrono::minutes(1)},
    {"h", std::chrono::hours(1)},
};

// In the largest unit that gives a whole number.
std::string Show(milliseconds duration) {
  std::string shown;
  for (const auto& [unit, size] : kUnits) {
    if (duration % size == milliseconds(0))
      shown = absl::StrCat(duration / size, std::string(unit));
  }
  return shown;
}

}  // namespace

absl::StatusOr<milliseconds> ParseDuration(std::string_view text, milliseconds least,
                                           milliseconds most) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) {
    ++digits;
  }
  uint32_t number = 0;
  for (const auto& [unit, size] : kUnits) {
    if (text.substr(digits) != unit) continue;
    // A number that does not fit into 32 bits is beyond any bound.
    if (digits == 0 || !absl::SimpleAtoi(std::string(text.substr(0, digits)), &number)) break;
    const milliseconds duration = number * size;
    if (duration >= least && duration <= most) return duration;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(text), " is no time from ", Show(least), " to ", Show(most),
                   ": write a number with `ms`, `s`, `m` or `h` behind it"));
}

}  // namespace sluice::server::policy
