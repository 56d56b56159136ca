#include "agent/icmp_limits.h"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace sluice::agent {
namespace {

using Words = std::vector<absl::string_view>;

std::string Contents(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<Words> WordsOf(std::string_view text) {
  std::vector<Words> lines;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    lines.push_back(absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty()));
  }
  return lines;
}

void Add(absl::string_view number, std::optional<uint64_t>& sum) {
  uint64_t value = 0;
  if (absl::SimpleAtoi(number, &value)) sum = sum.value_or(0) + value;
}

}  // namespace

std::optional<uint64_t> KeptBackIn(std::string_view snmp, std::string_view snmp6) {
  std::optional<uint64_t> sum;
  // A line of names and one of numbers: "Icmp: InMsgs InErrors ...".
  const std::vector<Words> lines = WordsOf(snmp);
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    const Words &names = lines[i], &numbers = lines[i + 1];
    if (names.size() != numbers.size() || names.empty() || names[0] != "Icmp:") continue;
    for (size_t column = 1; column < names.size(); ++column) {
      if (names[column] != "OutRateLimitGlobal" && names[column] != "OutRateLimitHost") continue;
      Add(numbers[column], sum);
    }
    break;
  }
  for (const Words& line : WordsOf(snmp6)) {  // "Icmp6OutRateLimitHost 7".
    if (line.size() == 2 && line[0] == "Icmp6OutRateLimitHost") Add(line[1], sum);
  }
  return sum;
}

IcmpLimits::IcmpLimits()
    : before_(KeptBackIn(Contents("/proc/net/snmp"), Contents("/proc/net/snmp6"))) {}

std::optional<uint64_t> IcmpLimits::Read() const {
  const auto now = KeptBackIn(Contents("/proc/net/snmp"), Contents("/proc/net/snmp6"));
  if (!now || !before_) return now;
  return *now < *before_ ? 0 : *now - *before_;
}

}  // namespace sluice::agent
