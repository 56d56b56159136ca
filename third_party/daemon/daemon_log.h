#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice {

// Writes a daemon's log to a file descriptor on a thread of its own, so that a reader who stalls or
// goes away delays neither the threads that log nor the end of the program. Up to 1 MiB waits to be
// written. Lines beyond that are lost, as are those that a full disk does not take; once there is
// room, the log says how many lines were lost. Each message is one line of at most 4,096 characters
// (OneLine). Any thread may call.
class DaemonLog final {
 public:
  // Replaces spdlog's default logger, with its level, for the rest of the program. `fd` is not
  // owned and may block. SIGPIPE is ignored.
  DaemonLog(int fd, const std::string& pattern);
  // Calls Stop.
  ~DaemonLog();
  DaemonLog(const DaemonLog&) = delete;
  DaemonLog& operator=(const DaemonLog&) = delete;

  // Writes what waits, for at most 100 ms, and nothing after that. A second call does nothing.
  void Stop();

 private:
  class Writer;

  const std::shared_ptr<Writer> writer_;

  Mutex stopping_;
  std::thread thread_ ABSL_GUARDED_BY(stopping_);
};

}  // namespace sluice
