#include "server/policy/advice/rule_name.h"

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"

namespace sluice::server::policy {
namespace {

// Longer names of rules and files are cut, since the reason goes with every verdict.
constexpr size_t kLongestShownName = 64;

}  // namespace

std::string RuleName(size_t number, const CheckedRule& rule,
                     const std::vector<std::string>& files) {
  const std::string name =
      rule.name.empty() ? "" : absl::StrCat(" \"", OneLine(rule.name, kLongestShownName), "\"");
  const std::string file =
      rule.place.file == 0 ? ""
                           : absl::StrCat(OneLine(files[rule.place.file], kLongestShownName), " ");
  return absl::StrCat("rule ", number, name, ", ", file, "line ", rule.place.line);
}

}  // namespace sluice::server::policy
