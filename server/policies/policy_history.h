#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/policies/policy_archive.h"
#include "server/policies/policy_record.h"
#include "server/policy/checker/known_names.h"

namespace sluice::server {

// The versions of the policy that are kept: the last 100, the newest confirmed one and version 0.
// With an archive they are on disk, and a text is read when it is asked for. Without one they are
// in memory, and fewer than 100 are kept if their texts take more than 64 MiB. Used by one thread
// at a time; blocks on the disk.
class PolicyHistory final {
 public:
  static constexpr size_t kKept = 100;
  static constexpr size_t kMostBytes = size_t{64} << 20;

  // Reads what the archive has. Null: no archive.
  explicit PolicyHistory(std::unique_ptr<PolicyArchive> archive);

  // What could not be read of the archive, for people to read.
  const std::vector<std::string>& remarks() const { return remarks_; }
  // The number of the next version.
  uint64_t next() const { return highest_ + 1; }
  // Skips that number: it is in use although the version could not be added.
  void Skip() { ++highest_; }

  // Adds the next version, whose names mean `names`, and removes the oldest; `in_force` is kept
  // whatever its age. If it fails, nothing is added.
  absl::Status Add(PolicyRecord record, const policy::NameMeanings& names, uint64_t in_force);
  // Records that the version's names have changed their meaning or are known at last. If it fails,
  // nothing has changed.
  absl::Status KeepNames(uint64_t version, const policy::NameMeanings& names);
  // If it fails, nothing has changed.
  absl::Status Confirm(uint64_t version);

  // NOT_FOUND: the version is not kept.
  absl::StatusOr<PolicyRecord> Get(uint64_t version) const;
  // What the version's names meant last; empty if it has no names or their meanings were not kept.
  // DATA_LOSS and others: what was kept cannot be read.
  absl::StatusOr<policy::NameMeanings> Names(uint64_t version) const;
  // What each name meant last in any version that is kept.
  policy::NameMeanings AllNames() const;
  // The newest confirmed version before `version`. Unconfirmed ones do not count: such a policy may
  // have locked its author out. NOT_FOUND: there is none.
  absl::StatusOr<PolicyRecord> ConfirmedBefore(uint64_t version) const;
  // At most `limit` versions, newest first, without texts and files.
  std::vector<PolicyRecord> List(size_t limit) const;

 private:
  void Prune(uint64_t in_force);
  bool Crowded() const;

  const std::unique_ptr<PolicyArchive> archive_;  // Null: kept in memory.
  std::vector<std::string> remarks_;
  uint64_t highest_ = 0;
  std::map<uint64_t, PolicyRecord> records_;        // With an archive: without texts and files.
  std::map<uint64_t, policy::NameMeanings> names_;  // Only without an archive.
  size_t bytes_ = 0;                                // Of texts, files and names_.
};

}  // namespace sluice::server
