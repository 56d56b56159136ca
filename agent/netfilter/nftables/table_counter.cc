#include "agent/netfilter/nftables/table_counter.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include "absl/strings/str_cat.h"

namespace sluice::agent {

const char* NameOf(TableCounter counter) {
  switch (counter) {
    case TableCounter::kAsked:
      return "asked";
    case TableCounter::kUnheardDropped:
      return "unheard_dropped";
    case TableCounter::kUnheardAccepted:
      return "unheard_accepted";
    case TableCounter::kGuardDropped:
      return "guard_dropped";
    case TableCounter::kExempted:
      return "exempted";
    case TableCounter::kAcceptedConnection:
      return "accepted_connection";
    case TableCounter::kAcceptedAddress:
      return "accepted_address";
    case TableCounter::kDroppedConnection:
      return "dropped_connection";
    case TableCounter::kDroppedAddress:
      return "dropped_address";
    case TableCounter::kDroppedEarly:
      return "dropped_early";
    case TableCounter::kEntered:
      return "entered";
    case TableCounter::kKept:
      return "kept";
    case TableCounter::kWiped:
      return "wiped";
    case TableCounter::kUntracked:
      return "untracked";
    case TableCounter::kTold:
      return "told";
    case TableCounter::kNoneDue:
      return "none_due";
    case TableCounter::kNoWayBack:
      return "no_way_back";
  }
  return "";
}

void AddCounters(TableTransaction& transaction) {
  for (size_t i = 0; i < kTableCounters; ++i) {
    const char* const name = NameOf(static_cast<TableCounter>(i));
    transaction.Add(absl::StrCat("counter ", name), NFT_MSG_NEWOBJ, NLM_F_CREATE,
                    [name](nlmsghdr* message) {
                      mnl_attr_put_strz(message, NFTA_OBJ_TABLE, kTableName);
                      mnl_attr_put_strz(message, NFTA_OBJ_NAME, name);
                      mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
                      mnl_attr_nest_end(message, mnl_attr_nest_start(message, NFTA_OBJ_DATA));
                    });
  }
}

}  // namespace sluice::agent
