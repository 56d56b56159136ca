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
#include "agent/netfilter/table/remembering_table.h"
#include "agent/netfilter/table/table_tallies.h"
#include "agent/remembered/mark_pool.h"
#include "agent/remembered/verdict_memory.h"
#include "sluice/v1/stats.pb.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice::agent {

// Owner of what the kernel remembers (decision.proto, Scope): installs the table with nothing in
// it, gives each kind of verdict a slot when a loop first asks for one, and has everything
// forgotten when the policy changes. To forget, it has all loops stop using slots; one transaction
// empties the table and begins a new generation; then the loops are told what can be remembered
// now. So no earlier verdict is remembered afterwards, and slot numbers can be used again at once.
//
// Loops only post. Any thread may call Install, ForgetAll and the readers; what loops ask for is
// done on a thread of its own. Locks: mutex_, then those of the table and of the loops.
class RememberedVerdicts final : public VerdictMemory {
 public:
  // Nothing is owned.
  RememberedVerdicts(RememberingTable* table, uint32_t connection_mark_mask, MarkPool::Sweep sweep);
  // Stops.
  ~RememberedVerdicts() override;

  // `queues` are the loops to tell. To be called before anything else.
  void Start(std::vector<RememberingQueue*> queues);
  // Joins. What loops post from now on is not done.
  void Stop();

  // VerdictMemory, from the loops.
  void WantSlot(uint64_t generation, const RememberedKind& kind) override;
  void PolicyIs(const std::string& token, const std::string& label) override;

  // Table::Install, with nothing remembered.
  absl::Status Install(TableState state) ABSL_LOCKS_EXCLUDED(mutex_);

  // Table::StopAsking and Table::Remove: nothing is remembered any more, unless they fail.
  absl::Status StopAsking() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove() ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets everything; returns roughly how many verdicts that were.
  absl::StatusOr<uint64_t> ForgetAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // The verdicts that are remembered; up to `limit`, 0 for all.
  absl::StatusOr<std::vector<RememberedEntry>> List(size_t limit) ABSL_LOCKS_EXCLUDED(mutex_);

  // `counters` are the table's, which most fields come from.
  v1::RememberedStats Stats(const TableCounters& counters) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Wanted {
    uint64_t generation = 0;
    RememberedKind kind;
  };

  struct PolicyName {
    std::string token;
    std::string label;  // For the log.
  };

  void Run();
  void AddSlot(uint64_t generation, const RememberedKind& kind) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetPolicy(const PolicyName& policy) ABSL_LOCKS_EXCLUDED(mutex_);
  // Changes the table into one that remembers nothing.
  absl::Status End(absl::Status (RememberingTable::*change)()) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetLater() ABSL_LOCKS_EXCLUDED(requests_mutex_);
  void Forgotten() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetAgain() ABSL_LOCKS_EXCLUDED(mutex_);
  void StopLoops() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartLoops() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginGeneration() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool GiveSlot(const RememberedKind& kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  RememberedSlot FreeSlot(const RememberedKind& kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RememberingTable* const table_;  // Not owned.
  const uint32_t connection_mark_mask_;
  std::vector<RememberingQueue*> queues_;  // Not owned. Constant after Start.

  Mutex mutex_;
  MarkPool marks_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableState> installed_ ABSL_GUARDED_BY(mutex_);
  bool remembers_ ABSL_GUARDED_BY(mutex_) = false;  // The table is in mode on.
  // A change failed: it is not known for sure which slots the table has.
  bool doubtful_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_policy_ ABSL_GUARDED_BY(mutex_) = false;
  Rememberable now_ ABSL_GUARDED_BY(mutex_);
  // Numbers not given yet in this generation. One that the table refused is not given again: its
  // rules may be there all the same.
  uint32_t next_accept_slot_ ABSL_GUARDED_BY(mutex_) = kEnteredConnectionSlot + 1;
  uint32_t next_drop_slot_ ABSL_GUARDED_BY(mutex_) = kFirstDropSlot;
  // The devices between which connections were accepted, the latest last. They have marks from the
  // start of the next generation on, so that live connections are asked about only once.
  static constexpr size_t kMostDevices = 16;
  std::deque<DevicePair> devices_ ABSL_GUARDED_BY(mutex_);
  uint64_t forgotten_ ABSL_GUARDED_BY(mutex_) = 0;
  // A server that changes its policy all the time must not fill the log.
  LogRateLimiter lines_{20, std::chrono::seconds(10)};

  Mutex requests_mutex_;
  std::condition_variable requested_;
  // From each loop, no more of a generation than there are slots.
  std::deque<Wanted> wanted_ ABSL_GUARDED_BY(requests_mutex_);
  // The newest; earlier ones do not matter any more.
  std::optional<PolicyName> policy_ ABSL_GUARDED_BY(requests_mutex_);
  bool retry_ ABSL_GUARDED_BY(requests_mutex_) = false;  // To forget, which failed.
  bool stop_ ABSL_GUARDED_BY(requests_mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice::agent
