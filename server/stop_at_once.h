#pragma once

#include <thread>

#include "third_party/daemon/daemon_log.h"

namespace sluice::server {

// Ends the process with success on SIGTERM or SIGINT while the server starts. DNS may take long for
// the names in a policy, and a lookup under way cannot be cancelled. A start may be broken off at
// any time, because files are renamed into place. Both signals must be blocked in all threads,
// before and after as well. Owned by main.
class StopAtOnce final {
 public:
  explicit StopAtOnce(DaemonLog* log);  // Not owned.
  // From then on the signals stay pending until somebody takes them.
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
