#pragma once

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <string>

#include "proto/text/text.h"
#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// "1 rule", "7 rules".
inline std::string Rules(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " rule" : " rules");
}

// "version 3 (my.policy, 7 rules)".
inline std::string Describe(const v1::Policy& policy) {
  return absl::StrCat("version ", policy.version(), " (",
                      policy.version() == 0 ? "built in" : OneLine(policy.source()), ", ",
                      Rules(policy.rules()), ")");
}

}  // namespace sluice::cli
