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
#include "agent/netfilter/table_hold.h"
#include "agent/netfilter/table_layout.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_socket.h"
#include "agent/netfilter/table_tallies.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// The nftables table `inet sluice`: makes it, takes it out, reads its counters, notices what
// others did to it. Nothing outside that table is ever touched. The sole owner in this process;
// the table itself outlives the object, and the process, until Remove. As long as the object lives,
// the kernel lets nobody else change the table, where it can (table_hold.h).
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
  // nothing. What the table of an agent before this one has counted is counted on. A packet on its
  // way just then meets the old rules or the new ones, or, past the place of both ask rules, the
  // guard. Where a table is there with the same chains, only its rules are replaced, and what is
  // queued stays; else the kernel drops it. If it fails, what was there stays.
  absl::Status Install(TableState state) ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes the installed table forget everything it remembers, and every slot, in one transaction.
  absl::Status Forget() ABSL_LOCKS_EXCLUDED(mutex_);

  // Has the installed table, in mode on, remember what verdicts of that slot say. The slot, or of
  // accepted connections the mark, must be new since Install or Forget.
  absl::Status AddSlot(const RememberedSlot& slot) ABSL_LOCKS_EXCLUDED(mutex_);

  // What the sets hold now; up to `limit`, 0 for all.
  absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t limit = 0)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // How many that are, about; see CountRememberedEntries.
  absl::StatusOr<size_t> CountRemembered() ABSL_LOCKS_EXCLUDED(mutex_);

  // Has the kernel check what Install would do, and changes nothing.
  absl::Status Check() ABSL_LOCKS_EXCLUDED(mutex_);

  // Packets are no longer queued nor counted, and pass undecided; those that are queued still wait
  // for their verdicts. To be followed by Remove. Well if there is no table.
  absl::Status StopAsking() ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes the table out; well if there is none. The kernel drops what is queued.
  absl::Status Remove() ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads the counters and adds them up. Exact over Install, where the table that was there stays,
  // and over StopAsking and Remove. What a table counts between the latest reading and its end is
  // lost with it: less than a millisecond where Install replaces it, or all since the latest call
  // if others throw it away.
  absl::StatusOr<TableCounters> ReadCounters() ABSL_LOCKS_EXCLUDED(mutex_);

  // As they stood when this found a table, by Found or Install, that an agent before it had left;
  // all zero if there was none.
  TableCounters counters_before() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether the table of the latest Install is there and as made. Never true before Install and
  // after Remove.
  absl::StatusOr<bool> Intact() ABSL_LOCKS_EXCLUDED(mutex_);

  // The state of a table of that name, whoever made it, an agent before this one for one. Nothing
  // if there is no such table.
  absl::StatusOr<std::optional<TableState>> Found() ABSL_LOCKS_EXCLUDED(mutex_);

  // For TableMonitor, to tell our changes from others'.
  uint32_t port_id() const { return port_id_; }

  // Whether others can change it; known after Install or Check.
  std::optional<TableHold> hold() const ABSL_LOCKS_EXCLUDED(mutex_);

  // What this kernel has; known after Install or Check.
  std::optional<TableExpressions> expressions() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Table(const TableOptions& options, std::unique_ptr<TableSocket> socket);

  enum class Intent { kReplace, kRefill, kCheck };
  absl::Status FindHold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Refused(const TableRefusal& refusal, const TableTransaction& transaction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasChains(const TableShape& shape) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Build(Intent intent, TableState state, TableShape& made)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Refill(TableState state, const TableShape& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SeeCounters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeOver(const TableShape& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void See(const TableShape& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TableOptions options_;
  const std::vector<TableChain> chains_;  // That it has, or may have.
  const uint32_t port_id_;

  mutable Mutex mutex_;
  const std::unique_ptr<TableSocket> socket_ ABSL_PT_GUARDED_BY(mutex_);
  std::optional<TableExpressions> expressions_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableHold> hold_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableShape> made_ ABSL_GUARDED_BY(mutex_);  // By the latest Install.
  std::optional<uint64_t> handle_ ABSL_GUARDED_BY(mutex_);  // Of the table whose counters are ours.
  std::optional<TableCounters> before_ ABSL_GUARDED_BY(mutex_);  // Known once it was looked for.
  // As it is installed.
  TableMode mode_ ABSL_GUARDED_BY(mutex_) = TableMode::kOn;
  std::vector<RememberedSlot> slots_ ABSL_GUARDED_BY(mutex_);
  TableTallies tallies_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::agent
