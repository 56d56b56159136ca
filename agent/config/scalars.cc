#include "agent/config/scalars.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace sluice::agent {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace

std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return ParseDecimal(text);
  text.remove_prefix(2);
  const bool digits = std::all_of(text.begin(), text.end(),
                                  [](unsigned char c) { return absl::ascii_isxdigit(c); });
  uint64_t value = 0;
  // The library alone would also take a second "0x" and signs.
  if (!digits || !absl::SimpleHexAtoi(Absl(text), &value)) return std::nullopt;
  return value;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  for (const auto& [suffix, shift] :
       {std::pair<std::string_view, int>{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}) {
    if (!text.ends_with(suffix)) continue;
    const auto count = ParseDecimal(text.substr(0, text.size() - suffix.size()));
    if (!count || *count > kMax >> shift) return std::nullopt;
    return *count << shift;
  }
  return ParseNumber(text);
}

std::optional<absl::Duration> ParseTime(std::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(Absl(text), &duration)) return std::nullopt;
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) return std::nullopt;
  return duration;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

}  // namespace sluice::agent
