#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/policy/names.h"
#include "server/policy/problems.h"

namespace sluice::server::policy {
namespace {

// Several times what the most addresses a policy may have take.
constexpr off_t kLargestFile = off_t{256} << 20;

absl::Status Wrong(const std::string& path, std::string_view why) {
  return absl::NotFoundError(absl::StrCat("cannot read ", Quoted(path), ": ", std::string(why)));
}

// Closes what it holds.
class File {
 public:
  // Without O_NONBLOCK, opening a FIFO waits for a writer.
  explicit File(const std::string& path)
      : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace

absl::StatusOr<std::string> SystemNames::SetFile(const std::string& path) {
  if (!path.starts_with('/')) return Wrong(path, "write an absolute path");
  const File file(path);
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
    if (size == 0) break;  // it has become shorter
    got += static_cast<size_t>(size);
  }
  text.resize(got);
  return text;
}

}  // namespace sluice::server::policy
