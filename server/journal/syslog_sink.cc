#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/journal/line_sinks.h"

namespace sluice::server {

SyslogSink::SyslogSink(std::string path) : path_(std::move(path)), unwritten_("syslog") {}

SyslogSink::~SyslogSink() {
  if (fd_ >= 0) close(fd_);
}

void SyslogSink::Write(const std::vector<std::string>& lines) {
  if (const std::string before = unwritten_.Line(); !before.empty() && Send(before) == 0) {
    unwritten_.Told();
  }
  for (const std::string& line : lines) {
    const int error = Send(line);
    if (error != 0) unwritten_.Add(1, error, std::chrono::steady_clock::now());
  }
}

int SyslogSink::Send(const std::string& line) {
  // The format of glibc's syslog(3), which every syslogd and systemd-journald reads.
  const std::string datagram =
      absl::StrCat("<", LOG_DAEMON | LOG_INFO, ">",
                   absl::FormatTime("%b %e %H:%M:%S", absl::Now(), absl::LocalTimeZone()),
                   " sluice-server[", getpid(), "]: ", line);
  for (const bool again : {true, false}) {
    if (fd_ < 0) {
      if (const int error = Connect(); error != 0) return error;
    }
    if (send(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    const int error = errno;
    // Unless the log is full, connect again: it may have been restarted.
    if (error == EAGAIN || error == ENOBUFS || error == EMSGSIZE || !again) return error;
    close(std::exchange(fd_, -1));
  }
  return ECONNREFUSED;
}

int SyslogSink::Connect() {
  sockaddr_un address = {AF_UNIX, {}};
  if (path_.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  path_.copy(address.sun_path, path_.size());
  fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return errno;
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return 0;
  const int error = errno;
  close(std::exchange(fd_, -1));
  return error;
}

}  // namespace sluice::server
