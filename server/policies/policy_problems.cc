#include "server/policies/policy_problems.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"

namespace sluice::server {
namespace {

// Longer lines are not shown: no terminal would show where the column is.
constexpr size_t kLongestLine = 400;

std::string_view TextOf(const v1::PolicyText& policy, const std::string& name) {
  if (name.empty()) return policy.text();
  for (const v1::PolicyFile& file : policy.files()) {
    if (file.name() == name) return file.text();
  }
  return {};
}

// Line `number`, counted from 1, without its line end; empty past the last line.
std::string_view LineOf(std::string_view text, uint32_t number) {
  for (; number > 1; --number) {
    const size_t end = text.find_first_of("\r\n");
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  return text.substr(0, text.find_first_of("\r\n"));
}

// The first `characters` characters as they are shown. A tab becomes one space, because columns
// count characters.
std::string Shown(std::string_view line, size_t characters) {
  std::string shown;
  for (; characters > 0 && !line.empty(); --characters) {
    const size_t size = std::max<size_t>(CharacterSize(line), 1);
    shown += line[0] == '\t' ? " " : OneLine(line.substr(0, size));
    line.remove_prefix(size);
  }
  return shown;
}

size_t Characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; });
}

}  // namespace

std::string FormatProblem(const v1::PolicyText& policy, const v1::PolicyProblem& problem,
                          const std::string& kind) {
  const std::filesystem::path source(policy.source());
  const std::string file =
      problem.file().empty() ? source.string() : (source.parent_path() / problem.file()).string();
  std::string text = absl::StrCat(file, ":", problem.line(), ":", problem.column(), ": ", kind,
                                  problem.message(), "\n");
  const std::string_view line = LineOf(TextOf(policy, problem.file()), problem.line());
  if (line.empty() || line.size() > kLongestLine) return text;
  const size_t characters = Characters(line);
  const size_t column = std::clamp<size_t>(problem.column(), 1, characters + 1) - 1;
  const size_t length =
      std::clamp<size_t>(problem.length(), 1, std::max<size_t>(characters - column, 1));
  const size_t before = Characters(Shown(line, column));
  const size_t meant = Characters(Shown(line, column + length)) - before;
  absl::StrAppend(&text, "  ", Shown(line, characters), "\n  ", std::string(before, ' '), "^",
                  std::string(std::max<size_t>(meant, 1) - 1, '~'), "\n");
  return text;
}

}  // namespace sluice::server
