#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/control/policy_edition.h"
#include "server/control/policy_history.h"
#include "server/control/policy_record.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A version of the policy, ready to decide. Immutable.
struct Policy : PolicyRecord {
  std::shared_ptr<const RuleSet> rules;
  // When the last confirmed one comes back unless this one is confirmed.
  std::optional<std::chrono::steady_clock::time_point> reverts_at;
  // How often its set files have been read again.
  uint64_t revision = 0;

  PolicyEdition edition() const { return {version, revision}; }
  v1::Policy ToProto(std::chrono::steady_clock::time_point now) const;
};

// How a policy is to be applied.
struct PolicyChange {
  std::string author = {};
  std::optional<uint64_t> if_version = {};  // Only if this is the version now.
  // Revert then to the last confirmed version, unless Confirm or another change comes before.
  std::optional<std::chrono::steady_clock::time_point> confirm_by = {};
};

// The policy decisions follow now, and its replacement all at once: whoever holds a snapshot
// goes on with it. Each replacement is a new version, kept before it is in force. Any thread may
// call. Current never waits; the others wait for the disk and for each other, and those that
// compile do so before they take a lock.
class PolicyStore final {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  using Time = std::chrono::steady_clock::time_point;
  using Change = PolicyChange;

  // Without an archive versions are kept in memory, and it begins with version 0, the built-in
  // `default reject`. With one it begins with the newest confirmed version that compiles; a version
  // that was still to be confirmed is reverted. What went wrong is logged.
  explicit PolicyStore(WallTime now, std::unique_ptr<PolicyArchive> archive = nullptr);

  // Never null.
  std::shared_ptr<const Policy> Current() const;

  // What came of it.
  struct Applied {
    // INVALID_ARGUMENT: there are problems. ABORTED: not if_version. NOT_FOUND: no such version to
    // go back to. RESOURCE_EXHAUSTED: the disk is full. The old policy stays with each.
    absl::Status status = absl::OkStatus();
    std::shared_ptr<const Policy> previous = nullptr;  // Null unless ok.
    std::shared_ptr<const Policy> current = nullptr;   // The same.
    std::vector<v1::PolicyProblem> problems = {};
    std::vector<v1::PolicyProblem> warnings = {};
  };

  // Makes `text` the policy. May take as long as names take to resolve.
  Applied Apply(v1::PolicyText text, WallTime now, const Change& change = {});
  // Applies an earlier version again, under a new number; without one that before the current.
  Applied Rollback(std::optional<uint64_t> version, WallTime now, const Change& change = {});

  // The policy now stays. FAILED_PRECONDITION: it does anyway; ABORTED: it is another.
  absl::Status Confirm(uint64_t version);
  // Reverts if it is time; whether it did. Once reverting is due it does not fail: where the disk
  // cannot keep the version, it is in force all the same.
  bool RevertIfDue(Time now, WallTime wall_now);

  // Reads the set files of the policy now again; if one has changed, the same version decides by
  // what is in them now, as another edition. What of them is no good stays as it was.
  RuleSet::Reloaded ReloadSets();

  // As kept. NOT_FOUND: it is not.
  absl::StatusOr<PolicyRecord> Get(uint64_t version) const;
  // The newest first, at most `limit`, without texts and files.
  std::vector<PolicyRecord> List(size_t limit) const;

 private:
  void Begin(WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  absl::Status CheckVersion(const Change& change) const;
  void Revert(WallTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);
  void Set(Policy policy) ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mutex_);

  // Held while a change is made, with its writing. Lock order: this one, then mutex_.
  mutable Mutex change_mutex_;
  PolicyHistory history_ ABSL_GUARDED_BY(change_mutex_);
  // What is reverted to: the last that was confirmed.
  std::shared_ptr<const Policy> confirmed_ ABSL_GUARDED_BY(change_mutex_);

  mutable Mutex mutex_;
  std::shared_ptr<const Policy> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
