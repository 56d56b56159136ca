#pragma once

#include <linux/netfilter/nf_tables.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "agent/netfilter/table_socket.h"

namespace sluice::agent {

// How a table is held.
enum class TableHold {
  // Flags owner and persist: the kernel lets nobody else change it, and keeps it when the socket is
  // closed that made it or took it over; then anybody may change it, take it out or take it over.
  // Needs Linux 6.9. (With owner alone the table would go, and a gateway open, as an agent dies.)
  kHeld,
  kPlain,  // Anybody may change it at any time.
};

inline constexpr uint32_t kPersistFlag = 4;           // NFT_TABLE_F_PERSIST, since Linux 6.9.
inline constexpr uint16_t kDestroyTableMessage = 26;  // NFT_MSG_DESTROYTABLE, since Linux 6.3.

constexpr uint32_t FlagsOf(TableHold hold) {
  return hold == TableHold::kHeld ? NFT_TABLE_F_OWNER | kPersistFlag : 0;
}

// What this kernel has; changes nothing.
absl::StatusOr<TableHold> FindTableHold(TableSocket& socket);

}  // namespace sluice::agent
