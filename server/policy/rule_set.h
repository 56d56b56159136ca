#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/packets/packet_fields.h"
#include "server/policy/checker/checked_policy.h"
#include "server/policy/checker/known_names.h"
#include "server/policy/engine/classifier.h"
#include "server/policy/language/includes.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// What a policy says about one packet.
struct Ruling {
  v1::Action action;        // ACTION_ACCEPT or ACTION_DROP.
  v1::Notify notify;        // Plain `reject notify`: NOTIFY_HOST_UNREACHABLE, as in screend.
  uint32_t rule;            // From 1; a `between` counts as two. 0: the default.
  bool log;                 // The rule says `log`.
  std::string_view reason;  // `rule 3 "mail", line 7`, or "default"; lives as long as the RuleSet.
  v1::Scope scope = v1::SCOPE_PACKET;
  std::chrono::seconds lifetime{0};  // Of a scope beyond the packet; 0 leaves it to the agent.
  // The decider to ask first; the rest holds if it does not answer in time. Null: no decider. Lives
  // as long as the RuleSet.
  const policy::Ask* ask = nullptr;
};

// A scope beyond the packet that some rule gives its decisions, and the place of the first such
// rule.
struct ScopeUse {
  v1::Scope scope;
  policy::Place place;
  std::string file;  // As in v1::PolicyProblem.
};

// A policy that is ready to decide. server/policy/README.md describes the language and what it says
// about packets that are not known whole. Immutable: whoever serves decisions holds it by
// shared_ptr and swaps that for the next version. Any number of threads may ask it. It cannot be
// overloaded: a decision is a bounded computation that neither blocks nor allocates.
class RuleSet final {
 public:
  // A larger text is refused.
  static constexpr size_t kLargestText = policy::kLargestPolicy;

  struct Compiled {
    // INVALID_ARGUMENT: there are problems. UNAVAILABLE: the only problems are names that cannot be
    // looked up now. RESOURCE_EXHAUSTED: compiling takes too much memory. FAILED_PRECONDITION: the
    // names in `wanted` must be looked up first.
    absl::Status status = absl::OkStatus();
    std::shared_ptr<const RuleSet> rules;         // Null unless ok.
    std::vector<v1::PolicyProblem> problems;      // In order of place, at most 50.
    std::vector<v1::PolicyProblem> warnings;      // The same.
    std::vector<std::string> missing_files;       // As in v1::CheckPolicyResponse.
    policy::NameSet wanted;                       // As in policy::Names.
    std::map<std::string, std::string> outdated;  // The same.
    // Set if a packet may cost more than policy::kMostSteps: says so, and what to do. There are
    // rules all the same, but no warnings of rules that never decide.
    std::optional<v1::PolicyProblem> too_costly;
  };

  // Reads a policy and asks `names` what its names mean. Blocks as long as they do; takes any
  // bytes. `free_memory` is how many bytes compiling may take.
  static Compiled Compile(const v1::PolicyText& policy, policy::Names& names,
                          uint64_t free_memory = UINT64_MAX);
  // The same for a policy that includes nothing.
  static Compiled Compile(std::string_view text, policy::Names& names);
  // The same, but asks the system for names; for tools and tests. May block for as long as DNS
  // does.
  static Compiled Compile(std::string_view text);

  // Compiles `policy`, which `before` was made from, with what its set files contain now; names
  // keep the meaning they have in `before`. If a file cannot be read or is not a set, its addresses
  // stay as they were.
  struct Reloaded {
    std::shared_ptr<const RuleSet> rules;  // Null if nothing has changed, or there are problems.
    std::vector<v1::PolicyProblem> problems;
    std::vector<std::string> stale;  // Why some files, or all, were not read again.
  };
  static Reloaded Reload(const v1::PolicyText& policy, const RuleSet& before, policy::Names& names,
                         uint64_t free_memory = UINT64_MAX);

  // Compiles `policy`, which `before` was made from, with the meanings `now` for its hosts and
  // networks.
  static Compiled Renamed(const v1::PolicyText& policy, const RuleSet& before,
                          policy::NameMeanings now, policy::Names& names,
                          uint64_t free_memory = UINT64_MAX);

  // Names of the files that the policy includes but that are not among its texts. Looks nothing up.
  static std::vector<std::string> MissingFiles(const v1::PolicyText& policy);

  // The first rule that matches, else the default.
  Ruling Decide(const PacketFields& packet) const;

  // What the names in it mean.
  const policy::NameMeanings& names() const { return names_; }
  // The deciders that it declares.
  const std::vector<policy::Decider>& deciders() const { return deciders_; }
  // The scopes beyond the packet that rules use, each once.
  const std::vector<ScopeUse>& scopes() const { return scopes_; }
  // Paths of the files its sets are read from.
  std::vector<std::string> SetFiles() const;
  // Number of rules; a `between` counts as two.
  size_t size() const { return verdicts_.size(); }
  // About how many bytes it takes.
  size_t memory() const;

 private:
  struct Verdict {
    policy::Decision decision;
    std::string reason;
  };

  RuleSet(const policy::CheckedPolicy& policy, policy::KnownNames names);

  // Does not ask for names that `known` has.
  static Compiled Compile(const v1::PolicyText& policy, policy::Names& names, uint64_t free_memory,
                          policy::KnownNames known);
  static Compiled CompileIfItFits(const v1::PolicyText& policy, policy::Names& names,
                                  uint64_t free_memory, policy::KnownNames known);

  const policy::Classifier classifier_;
  const policy::KnownNames names_;
  const policy::Decision fallback_;
  const std::vector<policy::Decider> deciders_;
  std::vector<Verdict> verdicts_;  // By rule. Constant after construction, like scopes_.
  std::vector<ScopeUse> scopes_;
};

}  // namespace sluice::server
