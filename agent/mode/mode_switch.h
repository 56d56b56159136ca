#pragma once

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/loop/queue_loop.h"
#include "agent/mode/mode_confirmation.h"
#include "agent/netfilter/table/table.h"
#include "agent/remembered/remembered_verdicts.h"
#include "sluice/v1/stats.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// "on", as people and logs call a mode; "" for a number that is no mode.
std::string_view ModeName(v1::Mode mode);

// Changes the mode of the rules and the queues together, so that in between no packet is lost and
// none passes unasked. Goes back by itself, on a thread of its own, from a mode that nobody
// confirms. Any thread may call; one change at a time.
class ModeSwitch final {
 public:
  // `table` and what it remembers are null where the operator keeps the rules (hook.manage: false):
  // the queues then ask about whatever comes, and the mode cannot be set. Nothing is owned.
  ModeSwitch(Table* table, RememberedVerdicts* remembered, std::vector<QueueLoop*> queues);
  // Leaves the mode as it is.
  ~ModeSwitch();

  struct State {
    v1::Mode mode;
    std::optional<int64_t> reverts_in_ns;  // Unless it is confirmed; nothing: it stays.
  };
  State state() const ABSL_LOCKS_EXCLUDED(mutex_);

  struct Change {
    v1::Mode previous;
    State current;
  };
  static constexpr int64_t kMostConfirmWithinNs = int64_t{24 * 3600} * 1'000'000'000;
  // With `confirm_within_ns` the gateway goes back to the last mode that was set without, unless a
  // mode is set without in that time. MODE_UNSPECIFIED only reads. INVALID_ARGUMENT: that time is
  // not above 0 and at most a day, or comes with no mode; FAILED_PRECONDITION: the rules are the
  // operator's; UNIMPLEMENTED: this agent does not know the mode. Other errors are the kernel's,
  // about the table. After an error the mode is as before.
  absl::StatusOr<Change> Set(v1::Mode mode, std::optional<int64_t> confirm_within_ns = {})
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes over the table that an agent before this one left. Its mode stays, unless nobody had
  // confirmed it: then the gateway goes back at once, as nobody kept the time.
  absl::Status Adopt(TableState left) ABSL_LOCKS_EXCLUDED(mutex_);

  // Goes back at once from a mode that is not confirmed, as nobody will keep the time any more.
  absl::Status RevertUnconfirmed() ABSL_LOCKS_EXCLUDED(mutex_);

  // Puts the rules back if somebody else changed them; true if they had to be.
  absl::StatusOr<bool> Restore() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  State Read() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Apply(v1::Mode mode, const ModeConfirmation& confirmation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TurnOn(v1::Mode mode, const ModeConfirmation& confirmation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TurnOff() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Revert() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetQueues(v1::Mode mode);
  void RunClock();

  Table* const table_;                    // Not owned.
  RememberedVerdicts* const remembered_;  // Not owned.
  const std::vector<QueueLoop*> queues_;  // Not owned.
  mutable Mutex mutex_;
  std::condition_variable changed_;  // confirmation_ or stop_.
  v1::Mode mode_ ABSL_GUARDED_BY(mutex_) = v1::MODE_OFF;
  ModeConfirmation confirmation_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread clock_;  // The last member: it uses the others.
};

}  // namespace sluice::agent
