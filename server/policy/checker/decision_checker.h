#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Gives the deciders and decisions of a policy their meaning. Takes the deciders first. Adds what
// is wrong to `problems`; what is returned must then not be used. For one check; one thread.
class DecisionChecker final {
 public:
  // The server has one connection for each address and one table of waiting packets for each
  // decider. These limits are more than a person can keep apart, and low enough not to be a burden.
  static constexpr size_t kMostDeciders = 64;
  static constexpr size_t kMostAddresses = 16;

  explicit DecisionChecker(Problems* problems /* Not owned. */) : problems_(problems) {}

  void Declare(const DeciderSyntax& syntax);
  // `complete`: all deciders of the policy were understood, so that a missing one is a problem.
  void DeclaredAll(bool complete) { complete_ = complete; }

  Decision Read(const DecisionSyntax& syntax);

  std::vector<Decider> Take() && { return std::move(deciders_); }

 private:
  Ask Read(const AskSyntax& syntax);
  const Decider* Find(std::string_view name) const;

  Problems* const problems_;
  std::vector<Decider> deciders_;
  bool complete_ = false;
};

}  // namespace sluice::server::policy
