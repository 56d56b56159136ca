#pragma once

#include <linux/netfilter/nf_tables.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "agent/netfilter/nftables/table_socket.h"

namespace sluice::agent {

// How a table is held.
enum class TableHold {
  // Flags owner and persist: the kernel lets nobody else change the table. It keeps the table when
  // the socket that made it or took it over is closed; then anybody may change it, delete it or
  // take it over. Needs Linux 6.9. (With owner alone, the table would disappear when an agent dies,
  // and the gateway would be open.)
  kHeld,
  kPlain,  // Anybody may change it at any time.
};

inline constexpr uint32_t kPersistFlag = 4;           // NFT_TABLE_F_PERSIST, since Linux 6.9.
inline constexpr uint16_t kDestroyTableMessage = 26;  // NFT_MSG_DESTROYTABLE, since Linux 6.3.

constexpr uint32_t FlagsOf(TableHold hold) {
  return hold == TableHold::kHeld ? NFT_TABLE_F_OWNER | kPersistFlag : 0;
}

// How this kernel can hold a table. Changes nothing.
absl::StatusOr<TableHold> FindTableHold(TableSocket& socket);

}  // namespace sluice::agent
