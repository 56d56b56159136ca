#include "clients/cli/policy_problems.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cli/policy_text.h"
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

// What is in the file a problem is in: the policy's own without a name.
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
    const std::string place = Printable(file) + ":" + std::to_string(problem.line()) + ":" +
                              std::to_string(problem.column()) + ":";
    out << Colored(place, Color::kBold, color) << ' ';
    if (warning) out << Colored("warning:", mark, color) << ' ';
    out << Printable(problem.message()) << '\n';
    const std::vector<std::string> line =
        Characters(LineOf(TextOf(policy, problem.file()), problem.line()));
    if (problem.line() == 0 || problem.column() == 0 || line.empty()) continue;
    const size_t column = std::min<size_t>(problem.column() - 1, line.size());
    const size_t first = line.size() > kWidest && column > kBefore ? column - kBefore : 0;
    const size_t last = std::min(line.size(), first + kWidest);
    std::string shown;
    for (size_t i = first; i < last; ++i) shown += line[i];
    const size_t length =
        std::clamp<size_t>(problem.length(), 1, std::max<size_t>(last, column + 1) - column);
    out << "  " << Printable(shown) << '\n'
        << "  " << std::string(column - first, ' ') << Colored(Underline(length), mark, color)
        << '\n';
  }
}

}  // namespace sluice::cli
