#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Gives the deciders and decisions of a policy their meaning, first the deciders. What is wrong is
// added to `problems`; what is then given is not to be used. For one check; one thread.
class DecisionChecker final {
 public:
  // One connection an address and one table of waiting packets a decider: more than a person keeps
  // apart, and few enough to be no burden.
  static constexpr size_t kMostDeciders = 64;
  static constexpr size_t kMostAddresses = 16;

  explicit DecisionChecker(Problems* problems /* Not owned. */) : problems_(problems) {}

  void Declare(const DeciderSyntax& syntax);
  // `complete`: all deciders of the policy were understood, so that one that is missing is worth a
  // problem.
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
