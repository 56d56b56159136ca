#include "clients/cli/policy/diff_program.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

extern char** environ;

namespace sluice::cli {
namespace {

absl::Status Failed(const char* what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(error)));
}

class Fd final {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  int get() const { return fd_; }
  void Close() {
    if (const int fd = std::exchange(fd_, -1); fd >= 0) close(fd);
  }

 private:
  int fd_;
};

// Returns 0 or errno.
int Fill(int fd, std::string_view text) {
  if (fd < 0) return errno;
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

std::string ReadAll(int fd) {
  std::string text;
  char piece[65536];
  while (true) {
    const ssize_t count = read(fd, piece, sizeof(piece));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(piece, static_cast<size_t>(count));
  }
}

}  // namespace

absl::StatusOr<std::string> RunDiff(const DiffSide& before, const DiffSide& after) {
  const Fd old_text(memfd_create("before", MFD_CLOEXEC));
  const Fd new_text(memfd_create("after", MFD_CLOEXEC));
  for (const auto& [fd, side] : {std::pair(&old_text, &before), std::pair(&new_text, &after)}) {
    if (const int error = Fill(fd->get(), side->text)) return Failed("memory for diff(1)", error);
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("a pipe from diff(1)", errno);
  const Fd out(ends[0]);
  Fd in(ends[1]);
  // The child inherits no descriptors of ours; it opens them by these paths.
  const std::string old_path = absl::StrCat("/proc/", getpid(), "/fd/", old_text.get());
  const std::string new_path = absl::StrCat("/proc/", getpid(), "/fd/", new_text.get());
  const std::string old_label = absl::StrCat("--label=", before.label);
  const std::string new_label = absl::StrCat("--label=", after.label);
  const char* const arguments[] = {
      "diff",           "-u",   "--text", old_label.c_str(), new_label.c_str(), old_path.c_str(),
      new_path.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, "diff", &actions, nullptr, const_cast<char* const*>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) return absl::NotFoundError("there is no diff(1) here: install diffutils");
  if (error != 0) return Failed("diff(1) cannot be run", error);
  in.Close();
  std::string said = ReadAll(out.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // 0 the same, 1 different; anything else is trouble, which diff(1) has explained on stderr.
  if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
    return absl::UnavailableError("diff(1) failed");
  }
  return said;
}

}  // namespace sluice::cli
