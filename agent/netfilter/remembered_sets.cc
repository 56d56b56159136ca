#include "agent/netfilter/remembered_sets.h"

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/table_rule.h"

namespace sluice::agent {
namespace {

struct Free {
  void operator()(nftnl_set* set) const { nftnl_set_free(set); }
};
using SetPtr = std::unique_ptr<nftnl_set, Free>;

SetPtr NewSet(const RememberedSet& made) {
  SetPtr set(nftnl_set_alloc());
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTableName);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, made.name);
  return set;
}

void Add(const RememberedSet& made, uint16_t type, uint16_t flags, nftnl_set* set,
         TableTransaction& transaction) {
  transaction.Add(absl::StrCat("set ", made.name), type, flags,
                  [set](nlmsghdr* message) { nftnl_set_nlmsg_build_payload(message, set); });
}

}  // namespace

const std::array<RememberedSet, 6> kRememberedSets = {{
    {"sources4", RememberedScope::kSource, false, 4, kIpv4Address},
    {"sources6", RememberedScope::kSource, true, 16, kIpv6Address},
    {"peers4", RememberedScope::kPeer, false, 16,
     Parts(kIpv4Address, kIpv4Address, kProtocol, kService)},
    {"peers6", RememberedScope::kPeer, true, 40,
     Parts(kIpv6Address, kIpv6Address, kProtocol, kService)},
    {"connections4", RememberedScope::kConnection, false, 20,
     Parts(kIpv4Address, kIpv4Address, kProtocol, kService, kService)},
    {"connections6", RememberedScope::kConnection, true, 44,
     Parts(kIpv6Address, kIpv6Address, kProtocol, kService, kService)},
}};

const RememberedSet& RememberedSetOf(RememberedScope scope, bool ipv6) {
  for (const RememberedSet& set : kRememberedSets) {
    if (set.scope == scope && set.ipv6 == ipv6) return set;
  }
  return kRememberedSets[0];  // Not reached: there is one of each.
}

void AddSet(const RememberedSet& made, uint32_t limit, TableTransaction& transaction) {
  const SetPtr set = NewSet(made);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, NFT_SET_MAP | NFT_SET_TIMEOUT | NFT_SET_EVAL);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, made.key_type);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, made.key_length);
  nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE, kMark);
  nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, sizeof(uint32_t));
  nftnl_set_set_u32(set.get(), NFTNL_SET_DESC_SIZE, limit);
  // Rules of the same transaction may name a set by such a number; ours name it by its name, but
  // the kernel wants one.
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, 1);
  Add(made, NFT_MSG_NEWSET, NLM_F_CREATE, set.get(), transaction);
}

void AddRememberedSets(uint32_t limit, TableTransaction& transaction) {
  for (const RememberedSet& set : kRememberedSets) AddSet(set, limit, transaction);
}

void DeleteRememberedSets(TableTransaction& transaction) {
  for (const RememberedSet& made : kRememberedSets) {
    Add(made, NFT_MSG_DELSET, 0, NewSet(made).get(), transaction);
  }
}

}  // namespace sluice::agent
