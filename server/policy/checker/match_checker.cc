#include "server/policy/checker/match_checker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/terms/match_expression.h"

namespace sluice::server::policy {

MatchTerm MatchChecker::Read(const Word& expression) {
  MatchTerm term{std::string(expression.text), expression.place, nullptr};
  if (const auto known = programs_.find(expression.text); known != programs_.end()) {
    term.program = known->second;
    return term;
  }
  text_ += expression.text.size();
  if (text_ > kMostMatchText) {
    problems_->Add(expression.place,
                   absl::StrCat("too many expressions: those of a policy have at most ",
                                kMostMatchText, " characters in all"));
    return term;
  }
  absl::StatusOr<BpfProgram> program = CompileMatch(expression.text);
  if (!program.ok()) {
    problems_->Add(expression.place, std::string(program.status().message()));
    return term;
  }
  term.program = std::make_shared<const BpfProgram>(*std::move(program));
  programs_.emplace(term.expression, term.program);
  return term;
}

}  // namespace sluice::server::policy
