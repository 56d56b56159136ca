#include "clients/cli/policy/policy_test_report.h"

#include <absl/strings/str_cat.h>

#include <limits>
#include <utility>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

// A text between quotes.
std::string JsonText(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : OneLine(text)) {
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

std::string PolicyTestReport::ToJsonLine(uint64_t others, uint64_t incomplete) const {
  std::string rules;
  for (const auto& [key, rule] : rules_) {
    absl::StrAppend(&rules, rules.empty() ? "" : ",", "{\"reason\":", JsonText(rule.reason),
                    ",\"action\":\"", rule.accepts ? "ACTION_ACCEPT" : "ACTION_DROP",
                    "\",\"packets\":\"", rule.packets, "\"}");
  }
  return absl::StrCat("{\"summary\":{\"packets\":\"", packets_, "\",\"accepted\":\"", accepted_,
                      "\",\"dropped\":\"", packets_ - accepted_, "\",\"otherFrames\":\"", others,
                      "\",\"incompleteDatagrams\":\"", incomplete, "\",\"rules\":[", rules, "]}}");
}

}  // namespace sluice::cli
