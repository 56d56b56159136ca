#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/control/policy_record.h"

namespace sluice::server {

// Versions of the policy in a folder, a file each (policy_file.h): `policy-000012`. A file is
// written beside its place, synced, renamed into it, and the folder synced, so that whatever
// happens there is the whole of it or nothing. Files that are not such are reported and left
// alone. Holds the folder's lock for as long as it lives. Used by one thread at a time; blocks on
// the disk.
class PolicyArchive final {
 public:
  // What is in the folder.
  struct Contents {
    std::vector<PolicyRecord> records;  // By version, without texts and files.
    uint64_t highest = 0;               // Of all numbers in use, those of unreadable files too.
    std::vector<std::string> remarks;   // What could not be read and why, for people.
  };

  // Makes the folder and those above it if need be. FAILED_PRECONDITION: another server uses it;
  // else as errno says.
  static absl::StatusOr<std::unique_ptr<PolicyArchive>> Open(std::string folder);
  ~PolicyArchive();
  PolicyArchive(const PolicyArchive&) = delete;
  PolicyArchive& operator=(const PolicyArchive&) = delete;

  Contents Load();

  // Replaces what is there of that version. RESOURCE_EXHAUSTED: the disk is full; what was there
  // stays, and so it does with every other error.
  absl::Status Write(const PolicyRecord& record);
  absl::StatusOr<PolicyRecord> Read(uint64_t version) const;
  absl::Status Remove(uint64_t version);

 private:
  PolicyArchive(std::string folder, int folder_fd, int lock_fd);

  const std::string folder_;
  const int folder_fd_;
  const int lock_fd_;
};

}  // namespace sluice::server
