#include "agent/netfilter/nftables/table_chain.h"

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/nftables/table_rule.h"

namespace sluice::agent {
namespace {

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using ChainPtr = std::unique_ptr<nftnl_chain, Free<nftnl_chain_free>>;
using RulePtr = std::unique_ptr<nftnl_rule, Free<nftnl_rule_free>>;

}  // namespace

void AddChain(const TableChain& made, uint32_t policy, TableTransaction& transaction) {
  ChainPtr chain(nftnl_chain_alloc());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTableName);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, made.name);
  if (made.hook) {
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, made.hook->number);
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, made.hook->priority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, policy);
  }
  transaction.Add(
      absl::StrCat("chain ", made.name), NFT_MSG_NEWCHAIN, NLM_F_CREATE,
      [&](nlmsghdr* message) { nftnl_chain_nlmsg_build_payload(message, chain.get()); });
}

void FlushChain(const char* name, TableTransaction& transaction) {
  RulePtr rule(nftnl_rule_alloc());
  nftnl_rule_set_u32(rule.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, kTableName);
  if (name != nullptr) nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, name);
  transaction.Add(name == nullptr ? "its rules" : absl::StrCat("rules of chain ", name),
                  NFT_MSG_DELRULE, 0,
                  [&](nlmsghdr* message) { nftnl_rule_nlmsg_build_payload(message, rule.get()); });
}

}  // namespace sluice::agent
