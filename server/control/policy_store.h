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
#include "server/control/free_memory.h"
#include "server/control/policy_edition.h"
#include "server/control/policy_history.h"
#include "server/control/policy_record.h"
#include "server/policy/looked_up.h"
#include "server/policy/names.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A version of the policy, ready to decide. Immutable.
struct Policy : PolicyRecord {
  std::shared_ptr<const RuleSet> rules;
  // When the last confirmed one comes back unless this one is confirmed.
  std::optional<std::chrono::steady_clock::time_point> reverts_at;
  // How often its set files have been read again, or its names looked up to mean something else.
  uint64_t revision = 0;
  // Names that mean what they did before, as they were not looked up since, and why.
  std::map<std::string, std::string> outdated = {};

  PolicyEdition edition() const { return {version, revision}; }
  v1::Policy ToProto(std::chrono::steady_clock::time_point now) const;
};

// Why it has no rules, in a line.
std::string FirstProblem(const RuleSet::Compiled& compiled);

// How a policy is to be applied.
struct PolicyChange {
  std::string author = {};
  std::optional<uint64_t> if_version = {};  // Only if this is the version now.
  // Revert then to the last confirmed version, unless Confirm or another change comes before.
  std::optional<std::chrono::steady_clock::time_point> confirm_by = {};
  // It is in force even where the disk cannot keep it, until the server ends.
  bool even_unkept = false;
  // Whether nobody waits for it any more: then it is not made. Asked right before. Null: never.
  std::function<bool()> abandoned = {};
};

// The policy decisions follow now, and its replacement all at once: whoever holds a snapshot
// goes on with it. Each replacement is a new version, kept before it is in force. Any thread may
// call. Current never waits; the others wait for the disk and for each other, and those that
// compile do so before they take a lock. Only those that say so wait for DNS, never with a lock
// once there is more than the constructor's thread.
//
// Where hosts and networks cannot be looked up, they mean what they last did in any version that is
// kept. A policy with one that was in none is not applied, and such a version that was kept is
// passed over at the start; it is put in force once its names are known (RefreshNames).
class PolicyStore final {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  using Time = std::chrono::steady_clock::time_point;
  using Change = PolicyChange;

  // Makes what is asked for names, one policy's. Null: the system.
  using NamesSource = std::function<std::unique_ptr<policy::Names>()>;

  // Without an archive versions are kept in memory, and it begins with version 0, the built-in
  // `default reject`. With one it begins with the newest confirmed version that compiles; a version
  // that was still to be confirmed is reverted. Names mean what they last did in it, until
  // RefreshNames; for others it waits for DNS. What went wrong is logged. Files of sets are read
  // in `set_dir` and below, an absolute path; "": none are.
  explicit PolicyStore(WallTime now, std::unique_ptr<PolicyArchive> archive = nullptr,
                       std::string set_dir = "", NamesSource names = nullptr);

  // As each policy here is compiled; changes nothing. Waits for no name: others than `names` has
  // are wanted.
  RuleSet::Compiled Compile(const v1::PolicyText& text, const policy::LookedUp& names) const;
  // What these stand for; those that cannot be looked up, what they did. Waits for DNS, ten seconds
  // and for its last answer.
  policy::LookedUp LookUp(const policy::NameSet& wanted) const;
  // What is asked for all that is not in DNS, such as services and files of sets.
  std::unique_ptr<policy::Names> LocalNames() const { return names_source_(); }

  // Never null.
  std::shared_ptr<const Policy> Current() const;

  // What came of it.
  struct Applied {
    // INVALID_ARGUMENT: there are problems. UNAVAILABLE: there are none but names that cannot be
    // looked up now, or the disk fails. ABORTED: not if_version. NOT_FOUND: no such version to go
    // back to. RESOURCE_EXHAUSTED: the disk is full, or too little memory free.
    // FAILED_PRECONDITION: it is not to be written, or names are wanted first. DEADLINE_EXCEEDED:
    // it was abandoned. The old policy stays with each.
    absl::Status status = absl::OkStatus();
    std::shared_ptr<const Policy> previous = nullptr;  // Null unless ok.
    std::shared_ptr<const Policy> current = nullptr;   // The same.
    std::optional<uint64_t> restored = {};             // The version that Rollback went back to.
    std::vector<v1::PolicyProblem> problems = {};
    std::vector<v1::PolicyProblem> warnings = {};
    policy::NameSet wanted = {};  // As of Compile.
  };

  // Has `attempt` done again with the names its result wants, until it wants none. Waits for DNS.
  template <typename Attempt>
  auto Asking(const Attempt& attempt) const {
    policy::LookedUp names;
    while (true) {
      auto result = attempt(names);
      if (result.wanted.empty()) return result;
      names.Add(LookUp(result.wanted));
    }
  }

  // Makes `text` the policy.
  Applied Apply(v1::PolicyText text, const policy::LookedUp& names, WallTime now,
                const Change& change = {});
  // The same; waits for DNS.
  Applied Apply(const v1::PolicyText& text, WallTime now, const Change& change = {}) {
    return Asking([&](const policy::LookedUp& names) { return Apply(text, names, now, change); });
  }
  // Applies an earlier version again, under a new number; without one the last that was confirmed
  // before the current.
  Applied Rollback(std::optional<uint64_t> version, const policy::LookedUp& names, WallTime now,
                   const Change& change = {});
  // The same; waits for DNS.
  Applied Rollback(std::optional<uint64_t> version, WallTime now, const Change& change = {}) {
    return Asking(
        [&](const policy::LookedUp& names) { return Rollback(version, names, now, change); });
  }

  // The policy now stays. FAILED_PRECONDITION: it does anyway; ABORTED: it is another.
  absl::Status Confirm(uint64_t version);
  // Reverts if it is time; whether it did. Once reverting is due it does not fail: where the disk
  // cannot keep the version, it is in force all the same.
  bool RevertIfDue(Time now, WallTime wall_now);

  // Reads the set files of the policy now again; if one has changed, the same version decides by
  // what is in them now, as another edition. What of them is no good stays as it was.
  RuleSet::Reloaded ReloadSets();

  // Makes `text` the policy as soon as its names can be looked up, unless another is applied
  // before.
  void ApplyOnceKnown(v1::PolicyText text, std::string author);
  // Whether a policy waits for that: UNAVAILABLE, with its name and the reason.
  absl::Status AllKnown() const;
  // Looks up the names of the policy that waits, or else those that are outdated of the policy now,
  // which then decides by what they mean, as another edition. A change meanwhile wins. Logs what
  // has come of it; false if there is nothing more to ask. Waits for DNS.
  bool RefreshNames(WallTime now);

  // As kept. NOT_FOUND: it is not.
  absl::StatusOr<PolicyRecord> Get(uint64_t version) const;
  // The newest first, at most `limit`, without texts and files.
  std::vector<PolicyRecord> List(size_t limit) const;

 private:
  // A policy that waits for its names.
  struct Waiting {
    PolicyRecord record;  // Version 0: it gets a new number.
    uint64_t over;        // The version it replaces.
    std::string why;      // What it waits for.
  };

  void Begin(WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  // Its names mean what they last did in it; DNS is asked for others if `ask`.
  RuleSet::Compiled CompileKept(const PolicyRecord& record, bool ask)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  policy::NameMeanings FormerNames() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void KeepNames(uint64_t version, const policy::NameMeanings& names)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  // Once it was compiled.
  Applied Make(v1::PolicyText text, RuleSet::Compiled compiled, WallTime now, const Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  bool RefreshWaiting(const Waiting& waiting, WallTime now);
  bool RefreshOutdated(const Policy& before);
  // Warns of names that mean what they did before, once.
  void TellOfOutdated(const Policy& policy) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status CheckVersion(const Change& change) const;
  // Adds it to the history, or, where that fails, has it in force without.
  void AddOrSkip(const PolicyRecord& policy, const policy::NameMeanings& names, uint64_t in_force)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Revert(WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Set(Policy policy) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);

  const std::string set_dir_;
  const NamesSource names_source_;

  // Held while a change is made, with its writing. Lock order: this one, then mutex_.
  mutable Mutex change_mutex_;
  PolicyHistory history_ ABSL_GUARDED_BY(change_mutex_);
  // What is reverted to: the last that was confirmed.
  std::shared_ptr<const Policy> confirmed_ ABSL_GUARDED_BY(change_mutex_);
  std::optional<Waiting> waiting_ ABSL_GUARDED_BY(change_mutex_);
  std::string told_ ABSL_GUARDED_BY(change_mutex_);  // Of outdated names, last.

  mutable Mutex mutex_;
  std::shared_ptr<const Policy> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
