#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/checker/names.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

namespace fs = std::filesystem;

// Several times the size of a file with the most addresses a policy may have.
constexpr off_t kLargestFile = off_t{256} << 20;

absl::Status Wrong(const std::string& path, std::string_view why) {
  constexpr size_t kMostCharacters = 1024;  // A path that is cut says nothing.
  return absl::NotFoundError(
      absl::StrCat("cannot read `", OneLine(path, kMostCharacters), "`: ", std::string(why)));
}

// Owns a file descriptor.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

bool IsBelow(const fs::path& path, const fs::path& folder) {
  const auto ends = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return ends.first == folder.end() && ends.second != path.end();
}

// Opens `path`, which is below `folder`, without following links. -1 and errno on failure, also if
// a link has appeared on the way.
int OpenBelow(const fs::path& folder, const fs::path& path) {
  const File root(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.descriptor() < 0) return -1;
  open_how how{};
  // Without O_NONBLOCK, opening a FIFO waits for a writer.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  // The C library has no wrapper for openat2.
  return static_cast<int>(syscall(SYS_openat2, root.descriptor(),
                                  path.lexically_relative(folder).c_str(), &how, sizeof how));
}

}  // namespace

absl::StatusOr<std::string> SystemNames::SetFile(const std::string& path) {
  if (!path.starts_with('/')) return Wrong(path, "write an absolute path");
  if (set_dir_.empty()) {
    return Wrong(path, "this server reads no files of sets: start it with --set-dir");
  }
  std::error_code error;
  const fs::path folder = fs::canonical(set_dir_, error);
  if (error) return Wrong(path, absl::StrCat("there is no ", set_dir_, " (--set-dir)"));
  const std::string elsewhere =
      absl::StrCat("files of sets are read below ", set_dir_, " only (--set-dir)");
  const fs::path named = fs::path(set_dir_ + "/").lexically_normal().parent_path();
  const fs::path tidied = fs::path(path).lexically_normal();
  if (!IsBelow(tidied, named) && !IsBelow(tidied, folder)) return Wrong(path, elsewhere);
  const fs::path real = fs::canonical(path, error);
  if (error) return Wrong(path, error.message());
  if (!IsBelow(real, folder)) return Wrong(path, elsewhere);
  const File file(OpenBelow(folder, real));
  struct stat status;
  if (file.descriptor() < 0 || fstat(file.descriptor(), &status) != 0) {
    return Wrong(path, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return Wrong(path, "it is no regular file");
  if (status.st_size > kLargestFile) return Wrong(path, "it is larger than 256 MiB");
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t got = 0;
  while (got < text.size()) {
    const ssize_t size = read(file.descriptor(), text.data() + got, text.size() - got);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Wrong(path, std::strerror(errno));
    if (size == 0) break;  // The file has become shorter.
    got += static_cast<size_t>(size);
  }
  text.resize(got);
  return text;
}

}  // namespace sluice::server::policy
