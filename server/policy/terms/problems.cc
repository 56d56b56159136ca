#include "server/policy/terms/problems.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"

namespace sluice::server::policy {

void Problems::Add(Place place, std::string message, bool unanswered) {
  if (full()) return;
  problems_.push_back({place, std::move(message)});
  if (unanswered) ++unanswered_;
}

std::vector<Problem> Problems::Take() && {
  std::stable_sort(problems_.begin(), problems_.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });
  if (full()) {
    absl::StrAppend(&problems_.back().message, " (", kMost,
                    " problems are shown; there may be more)");
  }
  return std::move(problems_);
}

std::string Quoted(std::string_view text) {
  constexpr size_t kMostCharacters = 40;
  return absl::StrCat("`", OneLine(text, kMostCharacters), "`");
}

}  // namespace sluice::server::policy
