#include "server/control/scope_warnings.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

const char* Remembered(v1::Scope scope) {
  switch (scope) {
    case v1::SCOPE_CONNECTION:
      return "connections";
    case v1::SCOPE_PEER:
      return "peers";
    default:
      return "sources";
  }
}

// "gw7's agent", or the first few of many.
std::string Agents(const std::vector<std::string>& gateways) {
  constexpr size_t kShown = 3;
  if (gateways.size() == 1) return absl::StrCat(gateways[0], "'s agent");
  std::string text = "the agents of ";
  const size_t shown = gateways.size() <= kShown ? gateways.size() : kShown;
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == gateways.size();
    absl::StrAppend(&text, i == 0 ? "" : last ? " and " : ", ", gateways[i]);
  }
  if (gateways.size() > shown) {
    absl::StrAppend(&text, " and ", gateways.size() - shown, " other gateways");
  }
  return text;
}

}  // namespace

std::vector<v1::PolicyProblem> ScopeWarnings(const RuleSet& rules, const Registry& registry) {
  std::vector<v1::PolicyProblem> warnings;
  for (const ScopeUse& use : rules.scopes()) {
    const std::vector<std::string> lacking = registry.Lacking(use.scope);
    if (lacking.empty()) continue;
    v1::PolicyProblem& warning = warnings.emplace_back();
    warning.set_file(use.file);
    warning.set_line(use.place.line);
    warning.set_column(use.place.column);
    warning.set_length(use.place.length);
    warning.set_message(absl::StrCat(Agents(lacking), " cannot remember ", Remembered(use.scope),
                                     ": every packet will be asked about"));
  }
  return warnings;
}

}  // namespace sluice::server
