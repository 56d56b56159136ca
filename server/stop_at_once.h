#pragma once

#include <thread>

#include "third_party/daemon/daemon_log.h"

namespace sluice::server {

// Ends the process, with success, on SIGTERM or SIGINT while the server starts: names in its policy
// may take DNS a long time, and no call that waits for them can be broken off. All that a start
// leaves behind may be left at any time: files are renamed into place. Both signals, and those that
// come before or after, must be blocked in all threads. Owned by main.
class StopAtOnce final {
 public:
  explicit StopAtOnce(DaemonLog* log);  // Not owned.
  // From then on the signals wait for whoever takes them.
  ~StopAtOnce();
  StopAtOnce(const StopAtOnce&) = delete;
  StopAtOnce& operator=(const StopAtOnce&) = delete;

 private:
  void Run();

  DaemonLog* const log_;
  const int signals_;  // A signalfd.
  const int started_;  // An eventfd.
  std::thread thread_;
};

}  // namespace sluice::server
