#include "clients/cli/policy_test_report.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "clients/cli/table.h"
#include "clients/cli/text.h"

namespace sluice::cli {
namespace {

bool IsOfWord(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; }

// Behind what begins at `at` and ends with `end`.
size_t Behind(std::string_view text, size_t at, std::string_view end) {
  const size_t found = text.find(end, at);
  return found == std::string_view::npos ? text.size() : found + end.size();
}

bool LooksAtState(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '#') {
      at = Behind(text, at, "\n");
    } else if (c == '"') {
      at = Behind(text, at + 1, "\"");
    } else if (text.substr(at, 2) == "/*") {
      at = Behind(text, at + 2, "*/");
    } else if (IsOfWord(c)) {
      const auto end =
          std::find_if_not(text.begin() + static_cast<ptrdiff_t>(at), text.end(), IsOfWord);
      const std::string_view word = text.substr(at, static_cast<size_t>(end - text.begin()) - at);
      if (word == "state" || word == "state-not") return true;
      at += word.size();
    } else {
      ++at;
    }
  }
  return false;
}

// A text between quotes.
std::string JsonText(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : Printable(text)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

void PolicyTestReport::Count(const v1::PolicyRuling& ruling) {
  const uint64_t number = ruling.rule() == 0 ? std::numeric_limits<uint64_t>::max() : ruling.rule();
  Rule& rule = rules_[{number, ruling.reason()}];
  rule.reason = ruling.reason();
  rule.accepts = ruling.action() == v1::ACTION_ACCEPT;
  ++rule.packets;
  ++packets_;
  if (rule.accepts) ++accepted_;
}

void PolicyTestReport::Print(std::ostream& out, bool color) const {
  out << packets_ << (packets_ == 1 ? " packet: " : " packets: ") << accepted_ << " accepted, "
      << packets_ - accepted_ << " dropped\n";
  if (packets_ == 0) return;
  Table table({{"PACKETS", Align::kRight}, {"ACTION", Align::kLeft, 6}, {"RULE"}}, &out, color);
  for (const auto& [key, rule] : rules_) {
    table.Row({std::to_string(rule.packets),
               rule.accepts ? Cell("accept", Color::kGreen) : Cell("drop", Color::kRed),
               rule.reason});
  }
}

std::string PolicyTestReport::ToJsonLine(uint64_t others) const {
  std::string rules;
  for (const auto& [key, rule] : rules_) {
    absl::StrAppend(&rules, rules.empty() ? "" : ",", "{\"reason\":", JsonText(rule.reason),
                    ",\"action\":\"", rule.accepts ? "ACTION_ACCEPT" : "ACTION_DROP",
                    "\",\"packets\":\"", rule.packets, "\"}");
  }
  return absl::StrCat("{\"summary\":{\"packets\":\"", packets_, "\",\"accepted\":\"", accepted_,
                      "\",\"dropped\":\"", packets_ - accepted_, "\",\"otherFrames\":\"", others,
                      "\",\"rules\":[", rules, "]}}");
}

bool LooksAtState(const v1::PolicyText& policy) {
  return LooksAtState(std::string_view(policy.text())) ||
         std::any_of(policy.files().begin(), policy.files().end(), [](const v1::PolicyFile& file) {
           return LooksAtState(std::string_view(file.text()));
         });
}

}  // namespace sluice::cli
