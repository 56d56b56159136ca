#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/policy/checked_policy.h"
#include "server/policy/classifier.h"
#include "server/policy/includes.h"
#include "server/policy/known_names.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// What a policy says about one packet.
struct Ruling {
  v1::Action action;        // ACTION_ACCEPT or ACTION_DROP.
  v1::Notify notify;        // Of plain `reject notify` NOTIFY_HOST_UNREACHABLE, as screend had it.
  uint32_t rule;            // From 1, a `between` being two; 0 is the default.
  bool log;                 // The rule says `log`.
  std::string_view reason;  // `rule 3 "mail", line 7`, or "default"; lives as long as the RuleSet.
  v1::Scope scope = v1::SCOPE_PACKET;
  std::chrono::seconds lifetime{0};  // Of a scope beyond the packet; 0 leaves it to the agent.
  // Whom to ask first; the rest holds if they do not answer in time. Null for nobody; lives as long
  // as the RuleSet.
  const policy::Ask* ask = nullptr;
};

// A scope some rule gives its decisions, and the first such rule's place.
struct ScopeUse {
  v1::Scope scope;
  policy::Place place;
  std::string file;  // As in v1::PolicyProblem.
};

// A policy made ready to decide. server/policy/README.md describes the language and what it says
// of packets that are not known whole. Immutable: whoever serves decisions holds it by shared_ptr
// and swaps that for the next version; any number of threads may ask. There is no overload: a
// decision is a bounded computation that neither blocks nor allocates.
class RuleSet final {
 public:
  // A larger text is refused.
  static constexpr size_t kLargestText = policy::kLargestPolicy;

  struct Compiled {
    // INVALID_ARGUMENT: there are problems. UNAVAILABLE: there are none but names that cannot be
    // looked up now. RESOURCE_EXHAUSTED: it takes too much memory. FAILED_PRECONDITION: names are
    // wanted first.
    absl::Status status = absl::OkStatus();
    std::shared_ptr<const RuleSet> rules;         // Null unless ok.
    std::vector<v1::PolicyProblem> problems;      // In order of place, at most 50.
    std::vector<v1::PolicyProblem> warnings;      // The same.
    std::vector<std::string> missing_files;       // As in v1::CheckPolicyResponse.
    policy::NameSet wanted;                       // As of policy::Names.
    std::map<std::string, std::string> outdated;  // The same.
  };

  // Reads a policy, asking `names`. Blocks as long as they do, and does not fail otherwise,
  // whatever the bytes. `free_memory` is how many bytes it may take.
  static Compiled Compile(const v1::PolicyText& policy, policy::Names& names,
                          uint64_t free_memory = UINT64_MAX);
  // A policy that includes nothing.
  static Compiled Compile(std::string_view text, policy::Names& names);
  // The same, asking the system, for tools and tests: may block for as long as DNS does.
  static Compiled Compile(std::string_view text);

  // The policy `before` was made from, with what is in its set files now; the names in it mean what
  // they did. Of a file that cannot be read or says no set, the addresses stay.
  struct Reloaded {
    std::shared_ptr<const RuleSet> rules;  // Null if nothing has changed, or there are problems.
    std::vector<v1::PolicyProblem> problems;
    std::vector<std::string> stale;  // Why files, or all of them, were not read again.
  };
  static Reloaded Reload(const v1::PolicyText& policy, const RuleSet& before, policy::Names& names,
                         uint64_t free_memory = UINT64_MAX);

  // The policy `before` was made from, with hosts and networks that mean `now` what they did not.
  static Compiled Renamed(const v1::PolicyText& policy, const RuleSet& before,
                          policy::NameMeanings now, policy::Names& names,
                          uint64_t free_memory = UINT64_MAX);

  // Names of files the policy includes and lacks. Looks nothing up.
  static std::vector<std::string> MissingFiles(const v1::PolicyText& policy);

  // The first rule that matches, else the default.
  Ruling Decide(const v1::Packet& packet) const;

  // What the names in it mean.
  const policy::NameMeanings& names() const { return names_; }
  // Those the rules ask.
  const std::vector<policy::Decider>& deciders() const { return deciders_; }
  // Those beyond the packet that rules use, each once.
  const std::vector<ScopeUse>& scopes() const { return scopes_; }
  // Paths of the files its sets are read from.
  std::vector<std::string> SetFiles() const;
  // Rules, a `between` counted twice.
  size_t size() const { return verdicts_.size(); }
  // Bytes it takes, about.
  size_t memory() const;

 private:
  struct Verdict {
    policy::Decision decision;
    std::string reason;
  };

  RuleSet(const policy::CheckedPolicy& policy, policy::KnownNames names);

  // Names that `known` has are not asked for.
  static Compiled Compile(const v1::PolicyText& policy, policy::Names& names, uint64_t free_memory,
                          policy::KnownNames known);
  static Compiled CompileIfItFits(const v1::PolicyText& policy, policy::Names& names,
                                  uint64_t free_memory, policy::KnownNames known);

  const policy::Classifier classifier_;
  const policy::KnownNames names_;
  const policy::Decision fallback_;
  const std::vector<policy::Decider> deciders_;
  std::vector<Verdict> verdicts_;  // By rule. Constant after construction, as is this.
  std::vector<ScopeUse> scopes_;
};

}  // namespace sluice::server
