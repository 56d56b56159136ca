#include "server/policy/language/statement_text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/text/text.h"

namespace sluice::server::policy {
namespace {

constexpr size_t kLongest = 400;

// The text from the column on. Columns count characters; each has one UTF-8 byte that is not a
// continuation byte.
std::string_view From(std::string_view text, uint32_t place) {
  for (uint32_t column = 1; column < place && !text.empty(); ++column) {
    do {
      text.remove_prefix(1);
    } while (!text.empty() && (static_cast<uint8_t>(text.front()) & 0xc0) == 0x80);
  }
  return text;
}

// Size of the line end at the front of the text: \r\n, \n or \r; 0 at the end of the text.
size_t LineEnd(std::string_view text) {
  if (text.empty()) return 0;
  return text.starts_with("\r\n") ? 2 : 1;
}

// Bytes up to and with the `;` that ends the statement; a `;` in quotes or in a comment does not.
size_t Length(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == ';') return at + 1;
    const char* end = nullptr;
    if (c == '"') end = "\"";
    if (c == '#') end = "\r\n";
    if (c == '/' && text.substr(at, 2) == "/*") end = "*/";
    if (end == nullptr) continue;
    const size_t found =
        c == '#' ? text.find_first_of(end, at) : text.find(end, at + (c == '/' ? 2 : 1));
    if (found == std::string_view::npos) break;
    at = found + (c == '/' ? 1 : 0);
  }
  return text.size();
}

}  // namespace

StatementTexts::StatementTexts(std::string_view text) : text_(text), lines_{0} {
  for (size_t at = 0; (at = text.find_first_of("\r\n", at)) != std::string_view::npos;) {
    lines_.push_back(at += LineEnd(text.substr(at)));
  }
}

std::string StatementTexts::At(const Place& place) const {
  if (place.line == 0 || place.line > lines_.size()) return {};
  std::string_view text = From(text_.substr(lines_[place.line - 1]), place.column);
  const size_t length = Length(text.substr(0, 4 * kLongest));
  const bool cut = length > kLongest;
  text = Beginning(text, std::min(length, kLongest));
  std::string shown;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const absl::string_view line = absl::StripTrailingAsciiWhitespace({text.data(), end});
    std::string spaced(line);
    std::replace(spaced.begin(), spaced.end(), '\t', ' ');
    absl::StrAppend(&shown, shown.empty() ? "" : "\n", OneLine(spaced, kLongest));
    text.remove_prefix(std::min(end + LineEnd(text.substr(end)), text.size()));
  }
  return cut ? shown + "…" : shown;
}

}  // namespace sluice::server::policy
