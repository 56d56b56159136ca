#include "agent/netfilter/table/table_hold.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <cerrno>

#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {

absl::StatusOr<TableHold> FindTableHold(TableSocket& socket) {
  // Not our table: somebody else may hold that one, or it may have other flags.
  constexpr char kNobodys[] = "sluice-probe";
  TableTransaction transaction(socket.ReserveSequence(TableTransaction::kMaxMessages));
  transaction.Add("", kDestroyTableMessage, 0, [&](nlmsghdr* message) {
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, kNobodys);
  });
  transaction.Add("", NFT_MSG_NEWTABLE, NLM_F_CREATE, [&](nlmsghdr* message) {
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, kNobodys);
    mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(FlagsOf(TableHold::kHeld)));
  });
  const TableRefusal refusal = transaction.Check(socket);
  if (refusal.error == 0) return TableHold::kHeld;
  if (!transaction.IsWhole(refusal) && (refusal.error == EINVAL || refusal.error == EOPNOTSUPP)) {
    return TableHold::kPlain;
  }
  return TableError(refusal.error, "");
}

}  // namespace sluice::agent
