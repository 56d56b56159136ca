#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/journal/line_sinks.h"

namespace sluice::server {
namespace {

// Returns -1 and errno on failure. O_NONBLOCK, because a pipe that nobody reads must not block the
// start.
int OpenToAppend(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
              0640);
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::Open(std::string path) {
  const int fd = OpenToAppend(path);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be written"));
  }
  return std::unique_ptr<FileSink>(new FileSink(std::move(path), fd));
}

FileSink::FileSink(std::string path, int fd) : path_(std::move(path)), fd_(fd), unwritten_(path_) {}

FileSink::~FileSink() { close(fd_); }

void FileSink::Write(const std::vector<std::string>& lines) {
  std::string text = torn_ ? "\n" : "";
  const std::string before = unwritten_.Line();
  if (!before.empty()) absl::StrAppend(&text, before, "\n");
  const size_t told = text.size();
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(fd_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    written += static_cast<size_t>(count);
  }
  const int error = errno;
  if (written > 0) torn_ = text[written - 1] != '\n';
  if (!before.empty() && written >= told) unwritten_.Told();
  if (written == text.size()) return;
  const auto rest = std::string_view(text).substr(std::max(written, told));
  unwritten_.Add(static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n')), error,
                 std::chrono::steady_clock::now());
}

void FileSink::Reopen() {
  const int fd = OpenToAppend(path_);
  if (fd < 0) {
    spdlog::error("{}: cannot be opened again: {}; continuing with the old file", path_,
                  std::strerror(errno));
    return;
  }
  close(std::exchange(fd_, fd));
  torn_ = false;
  spdlog::info("{}: opened again", path_);
}

}  // namespace sluice::server
