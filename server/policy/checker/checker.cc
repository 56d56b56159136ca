#include "server/policy/checker/checker.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/address_checker.h"
#include "server/policy/checker/decision_checker.h"
#include "server/policy/checker/lookup.h"
#include "server/policy/checker/match_checker.h"
#include "server/policy/checker/transport_checker.h"
#include "server/policy/terms/nearest_word.h"

namespace sluice::server::policy {
namespace {

// In the order of their bits.
constexpr std::array<std::string_view, 4> kStates = {"new", "established", "related", "invalid"};

class Checker {
 public:
  Checker(Names* names, Problems* problems)
      : lookup_(names),
        addresses_(&lookup_, problems),
        transports_(&lookup_, problems),
        decisions_(problems),
        matches_(problems),
        problems_(problems) {}

  CheckedPolicy Run(const Syntax& syntax) {
    // If a statement was not understood, it may have been the mask or the set that an object needs.
    const bool complete = problems_->empty();
    for (const MaskSyntax& mask : syntax.masks) {
      if (problems_->full()) break;
      addresses_.Declare(mask);
    }
    for (const SetSyntax& set : syntax.sets) {
      if (problems_->full()) break;
      addresses_.Declare(set);
    }
    for (const DeciderSyntax& decider : syntax.deciders) {
      if (problems_->full()) break;
      decisions_.Declare(decider);
    }
    addresses_.DeclaredAll(complete && problems_->empty());
    decisions_.DeclaredAll(complete && problems_->empty());

    CheckedPolicy policy;
    policy.fallback = decisions_.Read(syntax.fallback);
    policy.rules.reserve(syntax.pairs.size());
    for (const PairSyntax& pair : syntax.pairs) {
      if (problems_->full()) break;
      CheckedRule rule{Read(pair.first),
                       Read(pair.second),
                       States(pair.condition),
                       Match(pair.condition),
                       decisions_.Read(pair.decision),
                       pair.place,
                       std::string(pair.name.text)};
      count_ +=
          (Count(rule.source.address) + Count(rule.destination.address)) * (pair.between ? 2 : 1);
      if (count_ > kMostAddresses) {
        problems_->Add(pair.place,
                       absl::StrCat("too many addresses: the rules of a policy have at most ",
                                    kMostAddresses, ", those of names counted"));
        break;
      }
      if (!pair.between) {
        policy.rules.push_back(std::move(rule));
        continue;
      }
      CheckedRule reversed = rule;
      std::swap(reversed.source, reversed.destination);
      policy.rules.push_back(std::move(rule));
      policy.rules.push_back(std::move(reversed));
    }
    policy.files = syntax.files;
    policy.deciders = std::move(decisions_).Take();
    policy.set_addresses = addresses_.set_addresses();
    return policy;
  }

 private:
  // A set that stands alone is indexed once for all rules; one in a list with others, once for each
  // rule.
  static size_t Count(const AddressTerm& term) {
    if (term.patterns.empty() && term.sets.size() == 1) return 1;
    size_t count = term.patterns.size();
    for (const auto& set : term.sets) count += set->patterns.size();
    return count;
  }

  ObjectTerm Read(const ObjectSyntax& syntax) {
    return {Read(syntax.group), addresses_.Read(syntax.address),
            transports_.Read(syntax.transport)};
  }

  std::optional<StateSet> States(const ConditionSyntax& syntax) {
    if (syntax.states.empty()) return std::nullopt;
    StateSet states = 0;
    for (const Word& word : syntax.states) {
      const auto found = std::find(kStates.begin(), kStates.end(), word.text);
      if (found != kStates.end()) {
        states |= static_cast<StateSet>(1 << (found - kStates.begin()));
        continue;
      }
      const std::string_view meant = NearestWord(word.text, kStates);
      problems_->Add(
          word.place,
          absl::StrCat("no state ", Quoted(word.text),
                       meant.empty() ? ": there are `new`, `established`, `related`, `invalid`"
                                     : ": did you mean " + Quoted(meant) + "?"));
    }
    return syntax.state_negated ? static_cast<StateSet>(kAllStates & ~states) : states;
  }

  std::optional<MatchTerm> Match(const ConditionSyntax& syntax) {
    if (!syntax.match) return std::nullopt;
    return matches_.Read(*syntax.match);
  }

  GroupTerm Read(const GroupSyntax& syntax) {
    GroupTerm term{syntax.negated, {}};
    for (const Word& word : syntax.values) {
      if (word.text == "any") {
        problems_->Add(word.place, "`any` is no group: leave `group` out");
      }
      term.names.emplace_back(word.text);
    }
    return term;
  }

  Lookup lookup_;
  AddressChecker addresses_;
  TransportChecker transports_;
  DecisionChecker decisions_;
  MatchChecker matches_;
  Problems* const problems_;
  size_t count_ = 0;  // Addresses in the rules read so far.
};

}  // namespace

CheckedPolicy Check(const Syntax& syntax, Names& names, Problems& problems) {
  return Checker(&names, &problems).Run(syntax);
}

}  // namespace sluice::server::policy
