#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <string_view>

#include "clients/cli/policy/policy_text.h"

namespace sluice::cli {
namespace {

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Takes a word, a text in quotes (with the one in front), a comment or white space off the front.
std::string_view Take(std::string_view* text) {
  const auto upto = [text](size_t end, size_t more) {
    const std::string_view taken =
        text->substr(0, end == std::string_view::npos ? end : end + more);
    text->remove_prefix(taken.size());
    return taken;
  };
  const char c = text->front();
  if (c == '#') return upto(text->find_first_of("\r\n"), 0);
  if (text->starts_with("/*")) return upto(text->find("*/", 2), 2);
  if (c == '"') return upto(text->find_first_of("\"\r\n", 1), 0);
  if (IsSpace(c) || c == ';') return upto(0, 1);
  return upto(std::min(text->find_first_of(" \t\v\f\r\n;#\"", 1), text->find("/*", 1)), 0);
}

void AddIncluded(std::string_view text, const std::filesystem::path& folder,
                 std::set<std::string>* names) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // A byte order mark.
  bool include = false;
  while (!text.empty()) {
    const std::string_view taken = Take(&text);
    if (IsSpace(taken.front()) || taken.front() == '#' || taken.starts_with("/*")) continue;
    if (taken.front() == '"') {
      if (include) names->insert((folder / taken.substr(1)).lexically_normal().string());
      if (text.starts_with('"')) text.remove_prefix(1);
    }
    include = taken == "include";
  }
}

}  // namespace

std::set<std::string> IncludedNames(const v1::PolicyText& policy) {
  std::set<std::string> names;
  AddIncluded(policy.text(), {}, &names);
  for (const v1::PolicyFile& file : policy.files()) {
    AddIncluded(file.text(), std::filesystem::path(file.name()).parent_path(), &names);
  }
  return names;
}

}  // namespace sluice::cli
