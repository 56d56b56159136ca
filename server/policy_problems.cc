#include "server/policy_problems.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// Lines longer than this are not shown: no terminal would show where the column is.
constexpr size_t kLongestLine = 400;

std::string_view TextOf(const v1::PolicyText& policy, const std::string& name) {
  if (name.empty()) return policy.text();
  for (const v1::PolicyFile& file : policy.files()) {
    if (file.name() == name) return file.text();
  }
  return {};
}

// Line `number`, from 1, without its end; nothing past the last.
std::string_view LineOf(std::string_view text, uint32_t number) {
  for (; number > 1; --number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool BeginsCharacter(char byte) { return (byte & 0xc0) != 0x80; }

// What shows as it is: a tab as one space, since columns count characters, and other control
// characters as '?'.
std::string Shown(std::string_view line) {
  std::string shown(line);
  for (char& byte : shown) {
    if (byte == '\t') byte = ' ';
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = '?';
  }
  return shown;
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
  const size_t characters = std::count_if(line.begin(), line.end(), BeginsCharacter);
  const size_t column = std::clamp<size_t>(problem.column(), 1, characters + 1) - 1;
  const size_t length =
      std::clamp<size_t>(problem.length(), 1, std::max<size_t>(characters - column, 1));
  absl::StrAppend(&text, "  ", Shown(line), "\n  ", std::string(column, ' '), "^",
                  std::string(length - 1, '~'), "\n");
  return text;
}

}  // namespace sluice::server
