#include "clients/cli/policy_problems.h"

#include <algorithm>
#include <vector>

#include "clients/cli/table.h"
#include "clients/cli/text.h"

namespace sluice::cli {
namespace {

constexpr size_t kWidest = 100;  // characters of a line shown
constexpr size_t kBefore = 60;   // of them left of the column, in a longer line

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

// The characters of UTF-8 text, tabs as one space: columns count characters, and so the caret
// stands right.
std::vector<std::string> Characters(std::string_view line) {
  std::vector<std::string> characters;
  for (const char byte : line) {
    if ((byte & 0xc0) == 0x80 && !characters.empty()) {
      characters.back() += byte;
    } else {
      characters.emplace_back(1, byte == '\t' ? ' ' : byte);
    }
  }
  return characters;
}

}  // namespace

void PrintProblems(std::string_view file, std::string_view text,
                   const google::protobuf::RepeatedPtrField<v1::PolicyProblem>& problems,
                   bool color, std::ostream& out) {
  for (const v1::PolicyProblem& problem : problems) {
    const std::string place = Printable(file) + ":" + std::to_string(problem.line()) + ":" +
                              std::to_string(problem.column()) + ":";
    out << Colored(place, Color::kBold, color) << ' ' << Printable(problem.message()) << '\n';
    const std::vector<std::string> line = Characters(LineOf(text, problem.line()));
    if (problem.line() == 0 || problem.column() == 0 || line.empty()) continue;
    const size_t column = std::min<size_t>(problem.column() - 1, line.size());
    const size_t first = line.size() > kWidest && column > kBefore ? column - kBefore : 0;
    const size_t last = std::min(line.size(), first + kWidest);
    std::string shown;
    for (size_t i = first; i < last; ++i) shown += line[i];
    out << "  " << Printable(shown) << '\n'
        << "  " << std::string(column - first, ' ') << Colored("^", Color::kRed, color) << '\n';
  }
}

}  // namespace sluice::cli
