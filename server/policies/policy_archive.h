#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/policies/policy_record.h"
#include "server/policy/checker/known_names.h"

namespace sluice::server {

// The versions of the policy in a folder, one file each (policy_file.h): `policy-000012`, with
// `policy-000012.hosts` (hosts_file.h) beside it if the version has names of hosts or networks. A
// file is written under a temporary name, synced and renamed, and then the folder is synced:
// whatever happens, the file is there completely or not at all. Other files are reported and left
// alone. Holds the folder's lock for as long as it lives. Used by one thread at a time; blocks on
// the disk.
class PolicyArchive final {
 public:
  // What is in the folder.
  struct Contents {
    std::vector<PolicyRecord> records;  // Sorted by version, without texts and files.
    uint64_t highest = 0;               // The highest number in use, even by an unreadable file.
    std::vector<std::string> remarks;   // What could not be read and why, for people to read.
  };

  // Makes the folder and its parents if needed. A folder that cannot be written, or made, still
  // gives an archive, of what can be read there. FAILED_PRECONDITION: another server uses it. Other
  // errors, by errno: it cannot be read.
  static absl::StatusOr<std::unique_ptr<PolicyArchive>> Open(std::string folder);
  ~PolicyArchive();
  PolicyArchive(const PolicyArchive&) = delete;
  PolicyArchive& operator=(const PolicyArchive&) = delete;

  // Why the folder could not be written when it was opened; OK if it could.
  absl::Status writable() const;

  Contents Load();

  // Replaces the file of that version. RESOURCE_EXHAUSTED: the disk is full; FAILED_PRECONDITION:
  // the disk is read-only, or this server may not write to the folder. After any error the former
  // file is still there.
  absl::Status Write(const PolicyRecord& record);
  absl::StatusOr<PolicyRecord> Read(uint64_t version) const;
  // Removes a version and its names.
  absl::Status Remove(uint64_t version);

  // Like Write and Read, for the meanings of the version's names. No file stands for no names.
  // Names may be written before their version.
  absl::Status WriteNames(uint64_t version, const policy::NameMeanings& names);
  absl::StatusOr<policy::NameMeanings> ReadNames(uint64_t version) const;

 private:
  PolicyArchive(std::string folder, int folder_fd, int lock_fd, int unwritable);

  // Error messages begin with `what`.
  absl::Status WriteFile(const std::string& name, const std::string& text, const std::string& what);
  absl::Status RemoveFile(const std::string& name);

  const std::string folder_;
  const int folder_fd_;   // -1 if there is no folder and none can be made.
  const int lock_fd_;     // -1 if it cannot be made: nothing is written then.
  const int unwritable_;  // The errno of opening it for writing; 0 if writable.
};

}  // namespace sluice::server
