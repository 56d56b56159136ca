#include "clients/cli/policy/policy_words.h"

#include <absl/strings/str_cat.h>

#include "clients/cli/format/text.h"
#include "proto/text/text.h"

namespace sluice::cli {

std::string Rules(uint32_t count) { return absl::StrCat(count, count == 1 ? " rule" : " rules"); }

std::string Describe(const v1::Policy& policy) {
  return absl::StrCat("version ", policy.version(), " (",
                      policy.version() == 0 ? "built in" : OneLine(policy.source()), ", ",
                      Rules(policy.rules()), ")");
}

}  // namespace sluice::cli
