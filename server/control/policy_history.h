#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/control/policy_archive.h"
#include "server/control/policy_record.h"
#include "server/policy/known_names.h"

namespace sluice::server {

// The versions of the policy that are kept: the last 100, the newest confirmed one and, always,
// version 0. With an archive they are on disk and their texts are read when they are asked for;
// without one they are in memory, fewer than 100 where their texts take more than 64 MiB. Used by
// one thread at a time; blocks on the disk.
class PolicyHistory final {
 public:
  static constexpr size_t kKept = 100;
  static constexpr size_t kMostBytes = size_t{64} << 20;

  // Reads what the archive has; null for none.
  explicit PolicyHistory(std::unique_ptr<PolicyArchive> archive);

  // What of the archive could not be read, for people.
  const std::vector<std::string>& remarks() const { return remarks_; }
  // The number of the next version.
  uint64_t next() const { return highest_ + 1; }
  // That number is in use though it could not be added.
  void Skip() { ++highest_; }

  // Adds the next version, whose names mean `names`, and lets go of the oldest; `in_force` is kept
  // whatever its age. Nothing is added where it fails.
  absl::Status Add(PolicyRecord record, const policy::NameMeanings& names, uint64_t in_force);
  // Its names mean something else, or are known at last. Nothing has changed where it fails.
  absl::Status KeepNames(uint64_t version, const policy::NameMeanings& names);
  // Nothing has changed where it fails.
  absl::Status Confirm(uint64_t version);

  // NOT_FOUND: not kept.
  absl::StatusOr<PolicyRecord> Get(uint64_t version) const;
  // What its names meant last; none for one without, and where it was not kept. DATA_LOSS and
  // others: what was kept cannot be read.
  absl::StatusOr<policy::NameMeanings> Names(uint64_t version) const;
  // What names meant last in any version that is kept.
  policy::NameMeanings AllNames() const;
  // The newest confirmed one kept before `version`: what nobody confirmed may be why its author was
  // locked out. NOT_FOUND: none is.
  absl::StatusOr<PolicyRecord> ConfirmedBefore(uint64_t version) const;
  // The newest first, at most `limit`, without texts and files.
  std::vector<PolicyRecord> List(size_t limit) const;

 private:
  void Prune(uint64_t in_force);
  bool Crowded() const;

  const std::unique_ptr<PolicyArchive> archive_;  // Null: memory.
  std::vector<std::string> remarks_;
  uint64_t highest_ = 0;
  std::map<uint64_t, PolicyRecord> records_;        // With an archive, without texts and files.
  std::map<uint64_t, policy::NameMeanings> names_;  // Without an archive.
  size_t bytes_ = 0;                                // Of their texts and files, and names_.
};

}  // namespace sluice::server
