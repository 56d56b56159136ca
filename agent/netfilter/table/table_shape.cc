#include "agent/netfilter/table/table_shape.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <utility>

#include "agent/netfilter/netlink_attributes.h"
#include "agent/netfilter/nftables/table_comment.h"
#include "agent/netfilter/table/table_layout.h"

namespace sluice::agent {
namespace {

void AddTableMessage(const NetlinkAttributes& table, TableShape& shape) {
  static_assert(NFTA_TABLE_HANDLE < NetlinkAttributes::kMax);
  if (table.Text(NFTA_TABLE_NAME) != kTableName) return;
  shape.handle = table.U64(NFTA_TABLE_HANDLE);
  shape.flags = table.U32(NFTA_TABLE_FLAGS);
  shape.owner = table.U32(NFTA_TABLE_OWNER);
  shape.use = table.U32(NFTA_TABLE_USE);
}

void AddChainMessage(const NetlinkAttributes& parsed, TableShape& shape) {
  static_assert(NFTA_CHAIN_TYPE < NetlinkAttributes::kMax);
  if (parsed.Text(NFTA_CHAIN_TABLE) != kTableName) return;
  TableShape::Chain& chain = shape.chains[std::string(parsed.Text(NFTA_CHAIN_NAME))];
  const NetlinkAttributes hook(parsed.Nest(NFTA_CHAIN_HOOK));
  chain.handle = parsed.U64(NFTA_CHAIN_HANDLE);
  chain.hook = hook.U32(NFTA_HOOK_HOOKNUM);
  chain.priority = static_cast<int32_t>(hook.U32(NFTA_HOOK_PRIORITY));
  chain.policy = parsed.U32(NFTA_CHAIN_POLICY);
  chain.type = std::string(parsed.Text(NFTA_CHAIN_TYPE));
}

int AddExpression(const nlattr* element, void* data) {
  auto& rule = *static_cast<TableShape::Rule*>(data);
  const NetlinkAttributes expression(element);
  rule.expressions.emplace_back(expression.Text(NFTA_EXPR_NAME));
  return MNL_CB_OK;
}

void AddRuleMessage(const NetlinkAttributes& parsed, TableShape& shape) {
  static_assert(NFTA_RULE_USERDATA < NetlinkAttributes::kMax);
  if (parsed.Text(NFTA_RULE_TABLE) != kTableName) return;
  TableShape::Rule rule;
  rule.handle = parsed.U64(NFTA_RULE_HANDLE);
  rule.comment = CommentIn(parsed.Nest(NFTA_RULE_USERDATA));
  if (const nlattr* expressions = parsed.Nest(NFTA_RULE_EXPRESSIONS)) {
    mnl_attr_parse_nested(expressions, AddExpression, &rule);
  }
  shape.chains[std::string(parsed.Text(NFTA_RULE_CHAIN))].rules.push_back(std::move(rule));
}

void AddObjectMessage(const NetlinkAttributes& parsed, TableShape& shape) {
  static_assert(NFTA_OBJ_DATA < NetlinkAttributes::kMax);
  if (parsed.Text(NFTA_OBJ_TABLE) != kTableName) return;
  if (parsed.U32(NFTA_OBJ_TYPE) != NFT_OBJECT_COUNTER) return;
  shape.counters[std::string(parsed.Text(NFTA_OBJ_NAME))] =
      NetlinkAttributes(parsed.Nest(NFTA_OBJ_DATA)).U64(NFTA_COUNTER_PACKETS);
}

bool SameRule(const TableShape::Rule& a, const TableShape::Rule& b) {
  return a.handle == b.handle && a.expressions == b.expressions && a.comment == b.comment;
}

bool SameChain(const TableShape::Chain& a, const TableShape::Chain& b) {
  return a.handle == b.handle && a.hook == b.hook && a.priority == b.priority &&
         a.policy == b.policy && a.type == b.type &&
         std::equal(a.rules.begin(), a.rules.end(), b.rules.begin(), b.rules.end(), SameRule);
}

}  // namespace

void AddToShape(const nlmsghdr* message, TableShape& shape) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return;
  if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES) return;
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  if (header->nfgen_family != NFPROTO_INET) return;
  switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
    case NFT_MSG_NEWTABLE:
      return AddTableMessage(NetlinkAttributes(message), shape);
    case NFT_MSG_NEWCHAIN:
      return AddChainMessage(NetlinkAttributes(message), shape);
    case NFT_MSG_NEWRULE:
      return AddRuleMessage(NetlinkAttributes(message), shape);
    case NFT_MSG_NEWOBJ:
      return AddObjectMessage(NetlinkAttributes(message), shape);
    default:
      return;
  }
}

bool SameStructure(const TableShape& a, const TableShape& b) {
  return a.handle == b.handle && a.flags == b.flags && a.owner == b.owner && a.use == b.use &&
         std::equal(a.chains.begin(), a.chains.end(), b.chains.begin(), b.chains.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && SameChain(x.second, y.second);
                    });
}

}  // namespace sluice::agent
