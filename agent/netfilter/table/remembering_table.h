#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/remembered/remembered_entries.h"
#include "agent/netfilter/remembered/remembered_slot.h"
#include "agent/netfilter/table/table_layout.h"

namespace sluice::agent {

// A table that remembers verdicts, as RememberedVerdicts sees it: Table, or a fake in tests. Any
// thread may call.
class RememberingTable {
 public:
  virtual ~RememberingTable() = default;

  // Replaces any table of that name by ours, in one transaction. The new table remembers nothing.
  // On failure, what was there stays.
  virtual absl::Status Install(TableState state) = 0;

  // Makes the installed table forget everything it remembers, and every slot, in one transaction.
  virtual absl::Status Forget() = 0;

  // Makes the installed table, which must be in mode on, remember the verdicts of that slot. The
  // slot must be new since Install or Forget; for accepted connections, the mark must be.
  virtual absl::Status AddSlot(const RememberedSlot& slot) = 0;

  // From now on packets pass undecided; they are neither queued nor counted. Queued packets still
  // wait for their verdicts. To be followed by Remove. Succeeds if there is no table.
  virtual absl::Status StopAsking() = 0;

  // Removes the table; succeeds if there is none. The kernel drops queued packets.
  virtual absl::Status Remove() = 0;

  // The entries that the sets hold now, at most `limit`; 0: all.
  virtual absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t limit) = 0;

  // About how many entries the sets hold; see CountRememberedEntries.
  virtual absl::StatusOr<size_t> CountRemembered() = 0;
};

}  // namespace sluice::agent
