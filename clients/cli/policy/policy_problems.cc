#include "clients/cli/policy/policy_problems.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/policy/policy_text.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

constexpr size_t kWidest = 100;  // characters of a line shown
constexpr size_t kBefore = 60;   // of them left of the column, in a longer line

// Line `number`, counted from 1, without its line end; empty past the last line.
std::string_view LineOf(std::string_view text, uint32_t number) {
  for (; number > 1; --number) {
    const size_t end = text.find_first_of("\r\n");
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  return text.substr(0, text.find_first_of("\r\n"));
}

// The characters of UTF-8 text as they are shown, a tab as one space: columns count characters.
std::vector<std::string> Characters(std::string_view line) {
  std::vector<std::string> characters;
  while (!line.empty()) {
    const size_t size = std::max<size_t>(CharacterSize(line), 1);
    characters.push_back(line[0] == '\t' ? " " : OneLine(line.substr(0, size)));
    line.remove_prefix(size);
  }
  return characters;
}

std::string Joined(const std::vector<std::string>& characters, size_t first, size_t last) {
  std::string text;
  for (size_t i = first; i < std::min(last, characters.size()); ++i) text += characters[i];
  return text;
}

// The text of the file that a problem is in; the policy's own text if `name` is empty.
std::string_view TextOf(const v1::PolicyText& policy, const std::string& name) {
  if (name.empty()) return policy.text();
  for (const v1::PolicyFile& file : policy.files()) {
    if (file.name() == name) return file.text();
  }
  return {};
}

std::string Underline(size_t length) { return "^" + std::string(length - 1, '~'); }

}  // namespace

void PrintProblems(const v1::PolicyText& policy,
                   const google::protobuf::RepeatedPtrField<v1::PolicyProblem>& problems,
                   Severity severity, bool color, std::ostream& out) {
  const bool warning = severity == Severity::kWarning;
  const Color mark = warning ? Color::kYellow : Color::kRed;
  for (const v1::PolicyProblem& problem : problems) {
    const std::string file =
        problem.file().empty() ? policy.source() : PathOf(policy, problem.file());
    const std::string place = OneLine(file) + ":" + std::to_string(problem.line()) + ":" +
                              std::to_string(problem.column()) + ":";
    out << Colored(place, Color::kBold, color) << ' ';
    if (warning) out << Colored("warning:", mark, color) << ' ';
    out << OneLine(problem.message()) << '\n';
    const std::vector<std::string> line =
        Characters(LineOf(TextOf(policy, problem.file()), problem.line()));
    if (problem.line() == 0 || problem.column() == 0 || line.empty()) continue;
    const size_t column = std::min<size_t>(problem.column() - 1, line.size());
    const size_t first = line.size() > kWidest && column > kBefore ? column - kBefore : 0;
    const size_t last = std::min(line.size(), first + kWidest);
    const size_t length =
        std::clamp<size_t>(problem.length(), 1, std::max<size_t>(last, column + 1) - column);
    const size_t width = DisplayWidth(Joined(line, column, column + length));
    out << "  " << Joined(line, first, last) << '\n'
        << "  " << std::string(DisplayWidth(Joined(line, first, column)), ' ')
        << Colored(Underline(std::max<size_t>(width, 1)), mark, color) << '\n';
  }
}

}  // namespace sluice::cli
