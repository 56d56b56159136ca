#include "clients/cli/screen/line_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace sluice::cli {

LineReader::LineReader(int fd) : fd_(fd), stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

LineReader::~LineReader() { close(stop_fd_); }

std::optional<std::string> LineReader::Next() {
  size_t end = text_.find('\n');
  while (end == std::string::npos) {
    if (!Fill()) break;
    end = text_.find('\n');
  }
  pollfd stop = {stop_fd_, POLLIN, 0};
  if (poll(&stop, 1, 0) != 0 || text_.empty()) return std::nullopt;
  if (end == std::string::npos) return std::exchange(text_, {});
  std::string line = text_.substr(0, end);
  text_.erase(0, end + 1);
  return line;
}

void LineReader::Stop() { eventfd_write(stop_fd_, 1); }

bool LineReader::Fill() {
  pollfd polled[2] = {{stop_fd_, POLLIN, 0}, {fd_, POLLIN, 0}};
  while (poll(polled, 2, -1) < 0) {
    if (errno != EINTR) return false;
  }
  if (polled[0].revents != 0) return false;
  char piece[4096];
  const ssize_t size = read(fd_, piece, sizeof(piece));
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) return false;
  text_.append(piece, static_cast<size_t>(size));
  return true;
}

}  // namespace sluice::cli
