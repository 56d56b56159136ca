#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/nftables/table_socket.h"
#include "agent/netfilter/remembered/remembered_entries.h"
#include "agent/netfilter/remembered/remembered_slot.h"
#include "agent/netfilter/table/remembering_table.h"
#include "agent/netfilter/table/table_hold.h"
#include "agent/netfilter/table/table_layout.h"
#include "agent/netfilter/table/table_shape.h"
#include "agent/netfilter/table/table_tallies.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// The nftables table `inet sluice`: creates it, removes it, reads its counters, and detects what
// others did to it. Touches nothing outside that table. The sole owner of the table in this
// process; the table itself outlives the object and the process, until Remove. As long as the
// object lives, the kernel lets nobody else change the table, where it can (table_hold.h).
//
// Any thread may call any method; one call runs at a time. Reading takes well below 1 ms. Install
// and Remove take some 10 ms, because the kernel waits for packets on their way. All methods wait
// while other programs change rules. Errors name what the kernel refused and what to do; their
// payload kErrnoPayload is the errno.
class Table final : public RememberingTable {
 public:
  // INVALID_ARGUMENT: the options make no sense. Needs no privilege; the methods below do.
  static absl::StatusOr<std::unique_ptr<Table>> Open(const TableOptions& options);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Continues the counters of a table that an earlier agent left. A packet on its way at that
  // moment meets the old rules or the new ones, or, if it is past the place of both ask rules, the
  // guard. If a table with the same chains exists, only its rules are replaced and queued packets
  // stay queued; otherwise the kernel drops them.
  absl::Status Install(TableState state) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Forget() override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status AddSlot(const RememberedSlot& slot) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status StopAsking() override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Remove() override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t limit) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<size_t> CountRemembered() override ABSL_LOCKS_EXCLUDED(mutex_);

  // Has the kernel check what Install would do, and changes nothing.
  absl::Status Check() ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads the counters and adds them to those of earlier tables. Exact across an Install that keeps
  // the existing table, and across StopAsking and Remove. What a table counts between the last
  // reading and its end is lost: less than a millisecond if Install replaces the table, everything
  // since the last call if others delete it.
  absl::StatusOr<TableCounters> ReadCounters() ABSL_LOCKS_EXCLUDED(mutex_);

  // The counters of a table that an earlier agent left, as they stood when Found or Install found
  // it; all zero if there was none.
  TableCounters counters_before() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether the table of the latest Install exists unchanged. Always false before Install and after
  // Remove.
  absl::StatusOr<bool> Intact() ABSL_LOCKS_EXCLUDED(mutex_);

  // The state of the existing table of that name, whoever made it, such as an earlier agent.
  // nullopt if there is none.
  absl::StatusOr<std::optional<TableState>> Found() ABSL_LOCKS_EXCLUDED(mutex_);

  // For TableMonitor, to tell our changes from others'.
  uint32_t port_id() const { return port_id_; }

  // Whether others can change it; known after Install or Check.
  std::optional<TableHold> hold() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Which expressions this kernel has; known after Install or Check.
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
  const std::vector<TableChain> chains_;  // All that the table may have.
  const uint32_t port_id_;

  mutable Mutex mutex_;
  const std::unique_ptr<TableSocket> socket_ ABSL_PT_GUARDED_BY(mutex_);
  std::optional<TableExpressions> expressions_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableHold> hold_ ABSL_GUARDED_BY(mutex_);
  std::optional<TableShape> made_ ABSL_GUARDED_BY(mutex_);  // By the latest Install.
  std::optional<uint64_t> handle_ ABSL_GUARDED_BY(mutex_);  // Of the table whose counters are ours.
  std::optional<TableCounters> before_ ABSL_GUARDED_BY(mutex_);  // Set once we have looked for it.
  // Of the installed table.
  TableMode mode_ ABSL_GUARDED_BY(mutex_) = TableMode::kOn;
  std::vector<RememberedSlot> slots_ ABSL_GUARDED_BY(mutex_);
  TableTallies tallies_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::agent
