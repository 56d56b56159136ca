#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/control/policy_record.h"
#include "server/policy/known_names.h"

namespace sluice::server {

// Versions of the policy in a folder, a file each (policy_file.h): `policy-000012`, and beside it
// `policy-000012.hosts` (hosts_file.h) of one with names of hosts or networks. A file is
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

  // Makes the folder and those above it if need be. One that cannot be written, or made, is an
  // archive too, of what can be read there. FAILED_PRECONDITION: another server uses it; else as
  // errno says: it cannot be read.
  static absl::StatusOr<std::unique_ptr<PolicyArchive>> Open(std::string folder);
  ~PolicyArchive();
  PolicyArchive(const PolicyArchive&) = delete;
  PolicyArchive& operator=(const PolicyArchive&) = delete;

  // Why nothing could be written when it was opened.
  absl::Status writable() const;

  Contents Load();

  // Replaces what is there of that version. RESOURCE_EXHAUSTED: the disk is full;
  // FAILED_PRECONDITION: it is read-only, or the folder is not this server's to write. What was
  // there stays, and so it does with every other error.
  absl::Status Write(const PolicyRecord& record);
  absl::StatusOr<PolicyRecord> Read(uint64_t version) const;
  // With its names.
  absl::Status Remove(uint64_t version);

  // The same of what its names mean; none are none. Names may be there before their version.
  absl::Status WriteNames(uint64_t version, const policy::NameMeanings& names);
  absl::StatusOr<policy::NameMeanings> ReadNames(uint64_t version) const;

 private:
  PolicyArchive(std::string folder, int folder_fd, int lock_fd, int unwritable);

  // Errors begin with `what`.
  absl::Status WriteFile(const std::string& name, const std::string& text, const std::string& what);
  absl::Status RemoveFile(const std::string& name);

  const std::string folder_;
  const int folder_fd_;   // -1 if there is none, nor can be.
  const int lock_fd_;     // -1 if there is none, nor can be: nothing is written then.
  const int unwritable_;  // An errno, when it was opened; 0 for none.
};

}  // namespace sluice::server
