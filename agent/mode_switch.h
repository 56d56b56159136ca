#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/table.h"
#include "agent/queue_loop.h"
#include "sluice/v1/stats.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// Turns asking on and off, for the rules and the queues together, so that no packet is lost and
// none passes unasked in between. Any thread; one change at a time.
class ModeSwitch final {
 public:
  // `table` is null where the operator keeps the rules (hook.manage: false): the queues then ask
  // about whatever comes, and the mode cannot be set. Nothing is owned.
  ModeSwitch(Table* table, std::vector<QueueLoop*> queues);

  struct Change {
    v1::Mode previous;
    v1::Mode current;
  };
  // MODE_UNSPECIFIED only reads. FAILED_PRECONDITION: the rules are the operator's; UNIMPLEMENTED:
  // this agent does not know the mode; or what the kernel says of the table, and then the mode is
  // as before.
  absl::StatusOr<Change> Set(v1::Mode mode) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::Mode mode() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Puts the rules back if somebody else changed them; true if they had to be.
  absl::StatusOr<bool> Restore() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status TurnOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TurnOff() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetQueues(v1::Mode mode);

  Table* const table_;                    // Not owned.
  const std::vector<QueueLoop*> queues_;  // Not owned.
  mutable Mutex mutex_;
  v1::Mode mode_ ABSL_GUARDED_BY(mutex_) = v1::MODE_OFF;
};

}  // namespace sluice::agent
