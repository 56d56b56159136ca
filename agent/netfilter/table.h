#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/remembered_entries.h"
#include "agent/netfilter/remembered_slot.h"
#include "agent/netfilter/table_layout.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_socket.h"
#include "agent/netfilter/table_tallies.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// The nftables table `inet sluice`: makes it, takes it out, reads its counters, notices what
// others did to it. Nothing outside that table is ever touched. The sole owner in this process;
// the table itself outlives the object, and the process, until Remove.
//
// Any thread may call any method, one at a time gets through. Reading takes well below a
// millisecond; Install and Remove some ten, for the kernel waits for packets on their way, and
// all wait while other programs change rules. Errors name what the kernel refused and what to do;
// their payload kErrnoPayload is the errno.
class Table final {
 public:
  // INVALID_ARGUMENT: the options make no sense. Needs no privilege; what follows does.
  static absl::StatusOr<std::unique_ptr<Table>> Open(const TableOptions& options);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Puts the table in place, instead of any table of that name, in one transaction. It remembers
  // nothing; accepted connections will be those of `generation`, a GenerationMark or 0. A packet on
  // its way just then meets the old rules or the new ones, or, past the place of both ask rules,
  // the guard. Where a table is there with the same chains, only its rules are replaced, and what
  // is queued stays; else the kernel drops it. If it fails, what was there stays.
  absl::Status Install(TableState state, uint32_t generation = 0) ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes the installed table forget everything it remembers, and every slot, in one transaction;
  // accepted connections are those of `generation` from then on.
  absl::Status Forget(uint32_t generation) ABSL_LOCKS_EXCLUDED(mutex_);

  // Has the installed table, in mode on, remember what verdicts of that slot say. The slot must be
  // new since Install or Forget.
  absl::Status AddSlot(const RememberedSlot& slot) ABSL_LOCKS_EXCLUDED(mutex_);

  // What the sets hold now; up to `limit`, 0 for all.
  absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t limit = 0)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // How many that are, about; see CountRememberedEntries.
  absl::StatusOr<size_t> CountRemembered() ABSL_LOCKS_EXCLUDED(mutex_);

  // Has the kernel check what Install would do, and changes nothing.
  absl::Status Check() ABSL_LOCKS_EXCLUDED(mutex_);

  // Packets are no longer queued, and pass undecided; those that are queued still wait for their
  // verdicts. To be followed by Remove. Well if there is no table.
  absl::Status StopAsking() ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes the table out; well if there is none. The kernel drops what is queued.
  absl::Status Remove() ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads the counters of the rules and adds them up. Exact over Install and Remove. If others
  // throw the table away, what it counted after the latest call is lost with it.
  absl::StatusOr<TableCounters> ReadCounters() ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether the table of the latest Install is there and as made. Never true before Install and
  // after Remove.
  absl::StatusOr<bool> Intact() ABSL_LOCKS_EXCLUDED(mutex_);

  // The state of a table of that name, whoever made it, an agent before this one for one. Nothing
  // if there is no such table.
  absl::StatusOr<std::optional<TableState>> Found() ABSL_LOCKS_EXCLUDED(mutex_);

  // For TableMonitor, to tell our changes from others'.
  uint32_t port_id() const { return port_id_; }

  // How packets are queued; known after Install or Check.
  std::optional<QueueExpression> queue_expression() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Table(const TableOptions& options, std::unique_ptr<TableSocket> socket);

  enum class Intent { kReplace, kRefill, kCheck };
  absl::Status Build(Intent intent, TableState state, uint32_t generation, TableShape& made,
                     TableShape& gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Refill(TableState state, uint32_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> ReadIntact() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void See(const TableShape& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TableOptions options_;
  const std::vector<TableChain> chains_;  // That it has, or may have.
  const uint32_t port_id_;

  mutable Mutex mutex_;
  const std::unique_ptr<TableSocket> socket_ ABSL_PT_GUARDED_BY(mutex_);
  std::optional<QueueExpression> queue_expression_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableShape> made_ ABSL_GUARDED_BY(mutex_);  // By the latest Install.
  // As it is installed.
  TableMode mode_ ABSL_GUARDED_BY(mutex_) = TableMode::kOn;
  uint32_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<RememberedSlot> slots_ ABSL_GUARDED_BY(mutex_);
  TableTallies tallies_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::agent
