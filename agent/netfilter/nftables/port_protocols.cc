#include "agent/netfilter/nftables/port_protocols.h"

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/nftables/table_rule.h"

namespace sluice::agent {
namespace {

constexpr uint8_t kProtocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_SCTP,
                                  IPPROTO_UDPLITE};
constexpr uint32_t kProtocolType = 12;  // nft's type inet_proto, by which it prints the elements.

struct Free {
  void operator()(nftnl_set* set) const { nftnl_set_free(set); }
};
using SetPtr = std::unique_ptr<nftnl_set, Free>;

SetPtr NewSet() {
  SetPtr set(nftnl_set_alloc());
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTableName);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, kPortProtocols);
  return set;
}

std::string Object() { return absl::StrCat("set ", kPortProtocols); }

}  // namespace

bool HasPorts(uint8_t protocol) {
  return std::find(std::begin(kProtocols), std::end(kProtocols), protocol) != std::end(kProtocols);
}

void AddPortProtocols(TableTransaction& transaction) {
  const SetPtr set = NewSet();
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, NFT_SET_CONSTANT);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, kProtocolType);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, sizeof(uint8_t));
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, 1);  // The kernel requires one, even of a named set.
  for (const uint8_t protocol : kProtocols) {
    nftnl_set_elem* element = nftnl_set_elem_alloc();
    nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, &protocol, sizeof(protocol));
    nftnl_set_elem_add(set.get(), element);
  }
  transaction.Add(Object(), NFT_MSG_NEWSET, NLM_F_CREATE,
                  [&](nlmsghdr* message) { nftnl_set_nlmsg_build_payload(message, set.get()); });
  transaction.Add(Object(), NFT_MSG_NEWSETELEM, NLM_F_CREATE, [&](nlmsghdr* message) {
    nftnl_set_elems_nlmsg_build_payload(message, set.get());
  });
}

void DeletePortProtocols(TableTransaction& transaction) {
  const SetPtr set = NewSet();
  transaction.Add(Object(), NFT_MSG_DELSET, 0,
                  [&](nlmsghdr* message) { nftnl_set_nlmsg_build_payload(message, set.get()); });
}

}  // namespace sluice::agent
