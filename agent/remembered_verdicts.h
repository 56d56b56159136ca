#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/generations.h"
#include "agent/netfilter/table.h"
#include "agent/queue_loop.h"
#include "agent/verdict_memory.h"
#include "sluice/v1/stats.pb.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/log_limit.h"

namespace sluice::agent {

// Owner of what the kernel remembers (decision.proto, Scope): installs the table with nothing in
// it, gives each kind of verdict a slot when a loop first asks for one, and has everything
// forgotten when the policy changes. That goes so: no loop uses slots any more; one transaction
// empties the table and begins a new generation; then the loops are told what can be remembered
// now. So no verdict of before is remembered after, and slot numbers can be used again at once.
//
// Loops only post. Install, Clear and the readers may be called by any thread; what loops ask for
// is done on a thread of its own. Locks: mutex_, then those of the table and of the loops.
class RememberedVerdicts final : public VerdictMemory {
 public:
  // Nothing is owned.
  RememberedVerdicts(Table* table, const TableOptions& options, Generations::Sweep sweep);
  // Stops.
  ~RememberedVerdicts() override;

  // The loops to tell; before anything else is called.
  void Start(std::vector<QueueLoop*> queues);
  // What loops post from here on is not done. Joins.
  void Stop();

  // VerdictMemory, from the loops.
  void WantSlot(uint64_t epoch, const RememberedKind& kind) override;
  void PolicyIs(const std::string& version) override;

  // Table::Install, with nothing remembered.
  absl::Status Install(TableState state) ABSL_LOCKS_EXCLUDED(mutex_);

  // Table::StopAsking and Table::Remove: nothing is remembered any more, unless they fail.
  absl::Status StopAsking() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove() ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets everything; returns how much that was, or nearly.
  absl::StatusOr<uint64_t> Clear() ABSL_LOCKS_EXCLUDED(mutex_);

  // What is remembered; up to `limit`, 0 for all.
  absl::StatusOr<std::vector<RememberedEntry>> List(size_t limit) ABSL_LOCKS_EXCLUDED(mutex_);

  // What the table counted, for the other fields, is given.
  v1::RememberedStats Stats(const TableCounters& counters) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Wanted {
    uint64_t epoch = 0;
    RememberedKind kind;
  };

  void Run();
  void AddSlot(uint64_t epoch, const RememberedKind& kind) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetPolicy(const std::string& version) ABSL_LOCKS_EXCLUDED(mutex_);
  // Changes the table into one that remembers nothing.
  absl::Status End(absl::Status (Table::*change)()) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetLater() ABSL_LOCKS_EXCLUDED(requests_mutex_);
  void Forgotten() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetAgain() ABSL_LOCKS_EXCLUDED(mutex_);
  void StopLoops() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartLoops() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginEpoch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool GiveSlot(const RememberedKind& kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  RememberedSlot FreeSlot(const RememberedKind& kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Table* const table_;  // Not owned.
  const uint32_t connection_mark_mask_;
  std::vector<QueueLoop*> queues_;  // Not owned. Constant after Start.

  Mutex mutex_;
  Generations generations_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableState> installed_ ABSL_GUARDED_BY(mutex_);
  bool remembers_ ABSL_GUARDED_BY(mutex_) = false;  // The table is in mode on.
  // A change was refused: which slots the table has is not known for sure.
  bool doubtful_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_policy_ ABSL_GUARDED_BY(mutex_) = false;
  Rememberable now_ ABSL_GUARDED_BY(mutex_);
  // That connections were accepted between, the latest last: they have marks from the start of the
  // next epoch on, so that live connections are asked about once.
  static constexpr size_t kMostDevices = 16;
  std::deque<DevicePair> devices_ ABSL_GUARDED_BY(mutex_);
  uint64_t voided_ ABSL_GUARDED_BY(mutex_) = 0;
  // A server whose policy is another all the time must not fill the log.
  LogLimit lines_{20, std::chrono::seconds(10)};

  Mutex requests_mutex_;
  std::condition_variable requested_;
  // Of each epoch no more than there are slots for, by each loop.
  std::deque<Wanted> wanted_ ABSL_GUARDED_BY(requests_mutex_);
  // The newest; what came before it does not matter any more.
  std::optional<std::string> policy_version_ ABSL_GUARDED_BY(requests_mutex_);
  bool retry_ ABSL_GUARDED_BY(requests_mutex_) = false;  // To forget.
  bool stop_ ABSL_GUARDED_BY(requests_mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice::agent
