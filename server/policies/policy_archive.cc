#include "server/policies/policy_archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/policies/hosts_file.h"
#include "server/policies/policy_file.h"

namespace sluice::server {
namespace {

constexpr std::string_view kPrefix = "policy-";
constexpr std::string_view kBeingWritten = ".new";
constexpr std::string_view kNames = ".hosts";
// Larger than any policy that a server takes (64 MiB with the files it includes).
constexpr off_t kLargestFile = off_t{1} << 30;

std::string NameOf(uint64_t version) { return absl::StrFormat("policy-%06d", version); }
std::string NamesOf(uint64_t version) { return NameOf(version) + std::string(kNames); }

// Removes `end` from `name`; returns whether it was there.
bool TakeEnd(std::string_view end, std::string_view* name) {
  if (!name->ends_with(end)) return false;
  name->remove_suffix(end.size());
  return true;
}

// Nullopt if it is not the name of a version.
std::optional<uint64_t> VersionOf(std::string_view name) {
  uint64_t version;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  if (!absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &version) ||
      name != NameOf(version)) {
    return std::nullopt;
  }
  return version;
}

bool IsFull(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }
bool IsForbidden(int error) { return error == EROFS || error == EACCES || error == EPERM; }

absl::Status Failed(int error, const std::string& what) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (IsFull(error)) return absl::ResourceExhaustedError(text);
  if (IsForbidden(error)) return absl::FailedPreconditionError(text);
  if (error == ENOENT) return absl::NotFoundError(text);
  return absl::UnavailableError(text);
}

// Closes the file descriptor.
class File final {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// 0, or errno.
int WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0 ? 0 : errno;
}

absl::StatusOr<std::string> ReadAll(int folder, const std::string& name, const std::string& path) {
  // O_NONBLOCK, because a pipe with that name must not block the server.
  const File file(openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat status = {};
  if (file.fd() < 0 || fstat(file.fd(), &status) != 0) return Failed(errno, path);
  if (!S_ISREG(status.st_mode)) return absl::DataLossError(path + ": not a regular file");
  if (status.st_size > kLargestFile) return absl::DataLossError(path + ": it is too large");
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(file.fd(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed(errno, path);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  text.resize(size);
  return text;
}

// Locks the folder by its lock file. FAILED_PRECONDITION: another server has it.
absl::Status Lock(int fd, const std::string& folder) {
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed(errno, absl::StrCat(folder, "/lock"));
    char owner[32] = {};
    const ssize_t size = pread(fd, owner, sizeof(owner) - 1, 0);
    uint64_t pid = 0;
    const bool known = size > 0 && absl::SimpleAtoi(owner, &pid);
    return absl::FailedPreconditionError(
        absl::StrCat(folder, " is in use by another sluice-server",
                     known ? absl::StrCat(", process ", pid) : std::string(),
                     "; give each server a folder of its own"));
  }
  // The pid is for people and for the error above; writing it may fail. The kernel holds the lock,
  // which ends with the process.
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) == 0) {
    static_cast<void>(pwrite(fd, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyArchive>> PolicyArchive::Open(std::string folder) {
  std::error_code above;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), above);
  int error = mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
  if (error == ENOENT && above) error = above.value();
  File opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() < 0) {
    const bool cannot_be_made = errno == ENOENT && (IsFull(error) || IsForbidden(error));
    if (!cannot_be_made) return Failed(errno, folder);
    return std::unique_ptr<PolicyArchive>(new PolicyArchive(std::move(folder), -1, -1, error));
  }
  error = faccessat(opened.fd(), ".", W_OK, AT_EACCESS) == 0 ? 0 : errno;
  File lock(openat(opened.fd(), "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd() < 0) error = errno;
  // A file that can only be read can be locked as well.
  File read_only(lock.fd() < 0 ? openat(opened.fd(), "lock", O_RDONLY | O_CLOEXEC) : -1);
  File& locked = lock.fd() < 0 ? read_only : lock;
  if (locked.fd() >= 0) {
    if (absl::Status status = Lock(locked.fd(), folder); !status.ok()) return status;
  }
  return std::unique_ptr<PolicyArchive>(
      new PolicyArchive(std::move(folder), opened.Release(), locked.Release(), error));
}

PolicyArchive::PolicyArchive(std::string folder, int folder_fd, int lock_fd, int unwritable)
    : folder_(std::move(folder)),
      folder_fd_(folder_fd),
      lock_fd_(lock_fd),
      unwritable_(unwritable) {}

PolicyArchive::~PolicyArchive() {
  if (lock_fd_ >= 0) close(lock_fd_);
  if (folder_fd_ >= 0) close(folder_fd_);
}

absl::Status PolicyArchive::writable() const {
  if (unwritable_ == 0) return absl::OkStatus();
  return Failed(unwritable_, absl::StrCat("policies cannot be kept in ", folder_));
}

PolicyArchive::Contents PolicyArchive::Load() {
  Contents contents;
  if (folder_fd_ < 0) return contents;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder_.c_str()), &closedir);
  if (listing == nullptr) {
    contents.remarks.push_back(absl::StrCat(folder_, ": ", std::strerror(errno)));
    return contents;
  }
  std::set<uint64_t> versions;
  std::set<uint64_t> with_names;
  while (const dirent* entry = readdir(listing.get())) {
    std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == "lock") continue;
    const bool being_written = TakeEnd(kBeingWritten, &name);
    const bool of_names = TakeEnd(kNames, &name);
    const std::optional<uint64_t> version = VersionOf(name);
    if (!version) {
      contents.remarks.push_back(
          absl::StrCat(folder_, "/", entry->d_name, ": not a file of this server"));
      continue;
    }
    if (being_written) {
      // Left by a server that ended while it wrote; this version was never in force.
      unlinkat(folder_fd_, entry->d_name, 0);
      continue;
    }
    (of_names ? with_names : versions).insert(*version);
    if (of_names) continue;
    contents.highest = std::max(contents.highest, *version);
    absl::StatusOr<PolicyRecord> record = Read(*version);
    if (!record.ok()) {
      contents.remarks.emplace_back(record.status().message());
      continue;
    }
    record->text.clear_text();
    record->text.clear_files();
    contents.records.push_back(*std::move(record));
  }
  // Names are written before their version and removed after it, so these belong to no version.
  for (const uint64_t version : with_names) {
    if (!versions.contains(version)) RemoveFile(NamesOf(version)).IgnoreError();
  }
  std::sort(contents.records.begin(), contents.records.end(),
            [](const PolicyRecord& a, const PolicyRecord& b) { return a.version < b.version; });
  return contents;
}

absl::Status PolicyArchive::Write(const PolicyRecord& record) {
  return WriteFile(NameOf(record.version), FormatPolicyFile(record),
                   absl::StrCat("policy ", record.version, " cannot be kept in ", folder_));
}

absl::Status PolicyArchive::WriteNames(uint64_t version, const policy::NameMeanings& names) {
  if (names.empty()) {
    if (lock_fd_ >= 0) RemoveFile(NamesOf(version)).IgnoreError();
    return absl::OkStatus();
  }
  return WriteFile(
      NamesOf(version), FormatHostsFile(names),
      absl::StrCat("what the names in policy ", version, " mean cannot be kept in ", folder_));
}

absl::Status PolicyArchive::WriteFile(const std::string& name, const std::string& text,
                                      const std::string& what) {
  const std::string beside = absl::StrCat(name, std::string(kBeingWritten));
  if (lock_fd_ < 0) return Failed(unwritable_, what);
  const File file(openat(folder_fd_, beside.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.fd() < 0) return Failed(errno, what);
  int error = WriteAll(file.fd(), text);
  if (error == 0 && renameat(folder_fd_, beside.c_str(), folder_fd_, name.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    unlinkat(folder_fd_, beside.c_str(), 0);
    return Failed(error, what);
  }
  // Only this puts the rename on the disk.
  return fsync(folder_fd_) == 0 ? absl::OkStatus() : Failed(errno, what);
}

absl::StatusOr<PolicyRecord> PolicyArchive::Read(uint64_t version) const {
  const std::string name = NameOf(version);
  const std::string path = absl::StrCat(folder_, "/", name);
  const absl::StatusOr<std::string> text = ReadAll(folder_fd_, name, path);
  if (!text.ok()) return text.status();
  absl::StatusOr<PolicyRecord> record = ParsePolicyFile(*text);
  if (!record.ok()) {
    return absl::Status(record.status().code(),
                        absl::StrCat(path, ": ", record.status().message()));
  }
  if (record->version != version) {
    return absl::DataLossError(absl::StrCat(path, ": says it is version ", record->version));
  }
  return record;
}

absl::StatusOr<policy::NameMeanings> PolicyArchive::ReadNames(uint64_t version) const {
  const std::string path = absl::StrCat(folder_, "/", NamesOf(version));
  const absl::StatusOr<std::string> text = ReadAll(folder_fd_, NamesOf(version), path);
  if (absl::IsNotFound(text.status())) return policy::NameMeanings();
  if (!text.ok()) return text.status();
  absl::StatusOr<policy::NameMeanings> names = ParseHostsFile(*text);
  if (names.ok()) return names;
  return absl::Status(names.status().code(), absl::StrCat(path, ": ", names.status().message()));
}

absl::Status PolicyArchive::Remove(uint64_t version) {
  if (absl::Status status = RemoveFile(NameOf(version)); !status.ok()) return status;
  return RemoveFile(NamesOf(version));
}

absl::Status PolicyArchive::RemoveFile(const std::string& name) {
  if (unlinkat(folder_fd_, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  return Failed(errno, absl::StrCat(folder_, "/", name));
}

}  // namespace sluice::server
