#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/table_layout.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_socket.h"
#include "agent/netfilter/table_tally.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// Packets, in 64 bits, over all tables this object has installed.
struct TableCounters {
  uint64_t asked = 0;          // Reached the ask rule.
  uint64_t guard_dropped = 0;  // Dropped by the guard: nobody had let them pass.
  uint64_t exempted = 0;       // Passed unasked by chain exempt.
};

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

  // Puts the table in place, instead of any table of that name, in one transaction. A packet on
  // its way just then meets the old rules or the new ones, or, past the place of both ask rules,
  // the guard. Where a table is there with the same chains, only its rules are replaced, and what
  // is queued stays; else the kernel drops it. If it fails, what was there stays.
  absl::Status Install(TableState state) ABSL_LOCKS_EXCLUDED(mutex_);

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
  absl::Status Build(Intent intent, TableState state, TableShape& made, TableShape& gone)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Refill(TableState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> ReadIntact() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SeeCounters(const TableShape& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FoldCounters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TableOptions options_;
  const std::vector<TableChain> chains_;
  const uint32_t port_id_;

  mutable Mutex mutex_;
  const std::unique_ptr<TableSocket> socket_ ABSL_PT_GUARDED_BY(mutex_);
  std::optional<QueueExpression> queue_expression_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableShape> made_ ABSL_GUARDED_BY(mutex_);  // By the latest Install.
  TableTally asked_ ABSL_GUARDED_BY(mutex_);
  TableTally guard_dropped_ ABSL_GUARDED_BY(mutex_);
  TableTally exempted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::agent
