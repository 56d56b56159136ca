#include "agent/netfilter/table_shape.h"

#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <utility>

#include "agent/netfilter/netlink_attributes.h"
#include "agent/netfilter/table_layout.h"

namespace sluice::agent {
namespace {

void AddTableMessage(const NetlinkAttributes& table, TableShape& shape) {
  static_assert(NFTA_TABLE_HANDLE < NetlinkAttributes::kMax);
  if (table.Text(NFTA_TABLE_NAME) != kTableName) return;
  shape.handle = table.U64(NFTA_TABLE_HANDLE);
  shape.flags = table.U32(NFTA_TABLE_FLAGS);
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
  if (rule.expressions.back() == "counter" && !rule.passed.has_value()) {
    (rule.packets.has_value() ? rule.passed : rule.packets) =
        NetlinkAttributes(expression.Nest(NFTA_EXPR_DATA)).U64(NFTA_COUNTER_PACKETS);
  }
  return MNL_CB_OK;
}

// A rule's user data are records of type, length and bytes, of which nft makes one a comment.
std::string CommentIn(const nlattr* user_data) {
  if (user_data == nullptr) return "";
  absl::string_view rest(static_cast<const char*>(mnl_attr_get_payload(user_data)),
                         mnl_attr_get_payload_len(user_data));
  while (rest.size() >= 2) {
    const auto type = static_cast<uint8_t>(rest[0]);
    const size_t length = static_cast<uint8_t>(rest[1]);
    rest.remove_prefix(2);
    if (length > rest.size()) break;
    if (type == NFTNL_UDATA_RULE_COMMENT) {
      const absl::string_view text = rest.substr(0, length);
      return std::string(text.substr(0, text.find('\0')));
    }
    rest.remove_prefix(length);
  }
  return "";
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
    case NFT_MSG_DELTABLE:
      return AddTableMessage(NetlinkAttributes(message), shape);
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return AddChainMessage(NetlinkAttributes(message), shape);
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return AddRuleMessage(NetlinkAttributes(message), shape);
    default:
      return;
  }
}

bool SameStructure(const TableShape& a, const TableShape& b) {
  return a.handle == b.handle && a.flags == b.flags && a.use == b.use &&
         std::equal(a.chains.begin(), a.chains.end(), b.chains.begin(), b.chains.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && SameChain(x.second, y.second);
                    });
}

std::optional<uint64_t> PacketsOf(const TableShape& now, const TableShape& made,
                                  absl::string_view chain, RuleCounter counter) {
  const auto now_chain = now.chains.find(std::string(chain));
  const auto made_chain = made.chains.find(std::string(chain));
  if (now.handle != made.handle || now_chain == now.chains.end() ||
      made_chain == made.chains.end()) {
    return std::nullopt;
  }
  std::optional<uint64_t> packets;
  for (const TableShape::Rule& rule : now_chain->second.rules) {
    const auto& ours = made_chain->second.rules;
    const std::optional<uint64_t> counted = counter(rule);
    if (counted.has_value() &&
        std::any_of(ours.begin(), ours.end(),
                    [&](const TableShape::Rule& our) { return our.handle == rule.handle; })) {
      packets = packets.value_or(0) + *counted;
    }
  }
  return packets;
}

std::optional<uint64_t> PacketsOf(const TableShape& now, const TableShape& made,
                                  absl::string_view chain) {
  return PacketsOf(now, made, chain, [](const TableShape::Rule& rule) { return rule.packets; });
}

}  // namespace sluice::agent
