#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice {

// Writes a daemon's log to a file descriptor on a thread of its own, so that a reader who falls
// asleep or goes away holds up nobody: neither who logs nor the end of the program. Up to a
// mebibyte waits to be written; what goes beyond is lost, as is what a full disk does not take, and
// once there is room the log says how many lines were. Each message is one line of at most 4,096
// characters (OneLine). Any thread may call.
class DaemonLog final {
 public:
  // Takes what spdlog's default logger is given, at its level, from now on until the end. `fd` is
  // not owned and may block. SIGPIPE is ignored.
  DaemonLog(int fd, const std::string& pattern);
  // Stops.
  ~DaemonLog();
  DaemonLog(const DaemonLog&) = delete;
  DaemonLog& operator=(const DaemonLog&) = delete;

  // Writes what waits, for at most a tenth of a second, and nothing after that. Again: does
  // nothing.
  void Stop();

 private:
  class Writer;

  const std::shared_ptr<Writer> writer_;

  Mutex stopping_;
  std::thread thread_ ABSL_GUARDED_BY(stopping_);
};

}  // namespace sluice
