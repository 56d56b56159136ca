#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/checker/checked_policy.h"

namespace sluice::server::policy {

// How people are shown a rule: "rule 3, line 7", `rule 3 "mail", lists/mail line 7`. `number` is
// from 1; `files` are the policy's.
inline std::string RuleName(size_t number, const CheckedRule& rule,
                            const std::vector<std::string>& files) {
  // Longer names of rules and files are cut, since the reason goes with every verdict.
  constexpr size_t kLongestShownName = 64;
  const std::string name =
      rule.name.empty() ? "" : absl::StrCat(" \"", OneLine(rule.name, kLongestShownName), "\"");
  const std::string file =
      rule.place.file == 0 ? ""
                           : absl::StrCat(OneLine(files[rule.place.file], kLongestShownName), " ");
  return absl::StrCat("rule ", number, name, ", ", file, "line ", rule.place.line);
}

}  // namespace sluice::server::policy
