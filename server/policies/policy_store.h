#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/policies/free_memory.h"
#include "server/policies/policy_edition.h"
#include "server/policies/policy_history.h"
#include "server/policies/policy_record.h"
#include "server/policy/checker/looked_up.h"
#include "server/policy/checker/names.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A version of the policy, ready to decide. Immutable.
struct Policy : PolicyRecord {
  std::shared_ptr<const RuleSet> rules;
  // When the last confirmed version comes back unless this one is confirmed.
  std::optional<std::chrono::steady_clock::time_point> reverts_at;
  // How often its set files were read again or its names were found to mean something else.
  uint64_t revision = 0;
  // Names with an outdated meaning, because they could not be looked up since, and why not.
  std::map<std::string, std::string> outdated = {};

  PolicyEdition edition() const { return {version, revision}; }
  v1::Policy ToProto(std::chrono::steady_clock::time_point now) const;
};

// Why `compiled` has no rules, in one line.
std::string FirstProblem(const RuleSet::Compiled& compiled);

// How a policy is to be applied.
struct PolicyChange {
  std::string author = {};
  std::optional<uint64_t> if_version = {};  // Apply only if this version is in force.
  // Revert to the last confirmed version at this time, unless Confirm or another change comes
  // before.
  std::optional<std::chrono::steady_clock::time_point> confirm_by = {};
  // Put it in force even if the disk cannot keep it; then until the server ends.
  bool even_unkept = false;
  // Put it in force whatever it costs a packet (policy::kMostSteps), with a warning. For policies
  // that no caller brings: gateways must not lose theirs because it was made before there was a
  // limit.
  bool any_cost = false;
  // Whether nobody waits for the change any more: then it is not made. Called right before the
  // change is made. Null: somebody always waits.
  std::function<bool()> abandoned = {};
};

// The policy in force. It is replaced as a whole: whoever holds a snapshot goes on with that. Each
// replacement is a new version, which is kept before it is in force. Any thread may call. Current
// never waits. The other methods wait for the disk and for each other; those that compile do so
// before they take a lock. Only methods that say so wait for DNS, and except in the constructor
// never with a lock held.
//
// A host or network that cannot be looked up means what it last did in any version that is kept. A
// policy with a name that is in none of these is not applied. A kept version with such a name is
// skipped at the start and put in force once its names are known (RefreshNames).
class PolicyStore final {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  using Time = std::chrono::steady_clock::time_point;
  using Change = PolicyChange;

  // Makes the source that one policy's names are looked up in. Null: the system's.
  using NamesSource = std::function<std::unique_ptr<policy::Names>()>;

  // Without an archive, versions are kept in memory, and the store begins with version 0, the
  // built-in `default reject`. With one, it begins with the newest confirmed version that compiles;
  // a version that was still to be confirmed is reverted. Names mean what they last did in that
  // version, until RefreshNames; for other names the constructor waits for DNS. Problems are
  // logged. Set files are read in and below `set_dir`, an absolute path; if it is empty, none are
  // read.
  explicit PolicyStore(WallTime now, std::unique_ptr<PolicyArchive> archive = nullptr,
                       std::string set_dir = "", NamesSource names = nullptr);

  // Compiles a policy as Apply would, and changes nothing. A policy that costs a packet too much
  // has a problem. Does not wait for DNS: names that `names` lacks are in the result's `wanted`.
  RuleSet::Compiled Compile(const v1::PolicyText& text, const policy::LookedUp& names) const;
  // Looks names up. Those that cannot be looked up get their former meaning. Waits for DNS: starts
  // no query after ten seconds, but waits for the last one.
  policy::LookedUp LookUp(const policy::NameSet& wanted) const;
  // The source of everything that is not in DNS, such as services and set files.
  std::unique_ptr<policy::Names> LocalNames() const { return names_source_(); }

  // Never null.
  std::shared_ptr<const Policy> Current() const;

  // The result of a change.
  struct Applied {
    // INVALID_ARGUMENT: the policy has problems. UNAVAILABLE: its only problems are names that
    // cannot be looked up now, or the disk fails. ABORTED: another version than if_version is in
    // force. NOT_FOUND: there is no such version to go back to. RESOURCE_EXHAUSTED: the disk is
    // full, or too little memory is free. FAILED_PRECONDITION: the disk must not be written, or
    // names are wanted first. DEADLINE_EXCEEDED: the change was abandoned. After any error the old
    // policy stays.
    absl::Status status = absl::OkStatus();
    std::shared_ptr<const Policy> previous = nullptr;  // Null unless ok.
    std::shared_ptr<const Policy> current = nullptr;   // The same.
    std::optional<uint64_t> restored = {};             // The version that Rollback went back to.
    std::vector<v1::PolicyProblem> problems = {};
    std::vector<v1::PolicyProblem> warnings = {};
    policy::NameSet wanted = {};  // As in the result of Compile.
  };

  // Repeats `attempt` with the names its result wants until it wants none. Waits for DNS.
  template <typename Attempt>
  auto Asking(const Attempt& attempt) const {
    policy::LookedUp names;
    while (true) {
      auto result = attempt(names);
      if (result.wanted.empty()) return result;
      names.Add(LookUp(result.wanted));
    }
  }

  // Puts `text` in force.
  Applied Apply(v1::PolicyText text, const policy::LookedUp& names, WallTime now,
                const Change& change = {});
  // The same; waits for DNS.
  Applied Apply(const v1::PolicyText& text, WallTime now, const Change& change = {}) {
    return Asking([&](const policy::LookedUp& names) { return Apply(text, names, now, change); });
  }
  // Applies an earlier version again, under a new number, whatever it costs a packet. Without
  // `version`: the last confirmed one before the current.
  Applied Rollback(std::optional<uint64_t> version, const policy::LookedUp& names, WallTime now,
                   const Change& change = {});
  // The same; waits for DNS.
  Applied Rollback(std::optional<uint64_t> version, WallTime now, const Change& change = {}) {
    return Asking(
        [&](const policy::LookedUp& names) { return Rollback(version, names, now, change); });
  }

  // Confirms the policy in force, so that it stays. FAILED_PRECONDITION: it stays anyway; ABORTED:
  // another version is in force.
  absl::Status Confirm(uint64_t version);
  // Reverts if it is time; returns whether it did. A revert that is due does not fail: if the disk
  // cannot keep the version, it is in force all the same.
  bool RevertIfDue(Time now, WallTime wall_now);

  // Reads the set files of the policy in force again. If one has changed, the same version decides
  // by the new content, as a new edition. A set whose file is not valid keeps its addresses.
  RuleSet::Reloaded ReloadSets();

  // Puts `text` in force as soon as its names can be looked up, unless another policy is applied
  // before.
  void ApplyOnceKnown(v1::PolicyText text, std::string author);
  // UNAVAILABLE if a policy waits for its names; the message says which and why.
  absl::Status AllKnown() const;
  // Looks up the names of the policy that waits, and the outdated ones of the policy in force,
  // which then decides by their new meaning, as a new edition. A change made meanwhile wins. Logs
  // the result. Returns false if there is nothing more to look up. Waits for DNS.
  bool RefreshNames(WallTime now);

  // The version as it is kept. NOT_FOUND: it is not kept.
  absl::StatusOr<PolicyRecord> Get(uint64_t version) const;
  // At most `limit` versions, newest first, without texts and files.
  std::vector<PolicyRecord> List(size_t limit) const;

 private:
  // A policy that waits for its names.
  struct Waiting {
    PolicyRecord record;  // Version 0: it gets a new number.
    uint64_t over;        // The version it replaces.
    std::string why;      // What it waits for.
  };

  void Begin(WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  RuleSet::Compiled CompileAnyCost(const v1::PolicyText& text, const policy::LookedUp& names) const;
  // Compiles a kept version. Its names mean what they last did in it; DNS is asked for others if
  // `ask`.
  RuleSet::Compiled CompileKept(const PolicyRecord& record, bool ask)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  policy::NameMeanings FormerNames() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void KeepNames(uint64_t version, const policy::NameMeanings& names)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  // Puts a compiled policy in force.
  Applied Make(v1::PolicyText text, RuleSet::Compiled compiled, WallTime now, const Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  bool RefreshWaiting(const Waiting& waiting, WallTime now);
  bool RefreshOutdated(const Policy& before);
  // Logs a warning about outdated names, once.
  void TellOfOutdated(const Policy& policy) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status CheckVersion(const Change& change) const;
  // Adds the policy to the history. If that fails, logs that it is in force without being kept.
  void AddOrSkip(const PolicyRecord& policy, const policy::NameMeanings& names, uint64_t in_force)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Revert(WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Set(Policy policy) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);

  const std::string set_dir_;
  const NamesSource names_source_;

  // Held while a change is made and written. Lock order: this one, then mutex_.
  mutable Mutex change_mutex_;
  PolicyHistory history_ ABSL_GUARDED_BY(change_mutex_);
  // The last confirmed policy, which a revert goes back to.
  std::shared_ptr<const Policy> confirmed_ ABSL_GUARDED_BY(change_mutex_);
  std::optional<Waiting> waiting_ ABSL_GUARDED_BY(change_mutex_);
  std::string told_ ABSL_GUARDED_BY(change_mutex_);  // The last warning.

  mutable Mutex mutex_;
  std::shared_ptr<const Policy> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
