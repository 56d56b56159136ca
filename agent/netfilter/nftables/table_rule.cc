#include "agent/netfilter/nftables/table_rule.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/xt_NFQUEUE.h>

#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/nftables/table_comment.h"

namespace sluice::agent {
namespace {

constexpr uint32_t kTcpFlagsOffset = 13;

}  // namespace

void TableRule::Free::operator()(nftnl_rule* rule) const { nftnl_rule_free(rule); }

TableRule::TableRule(const char* chain, const char* comment)
    : chain_(chain), rule_(nftnl_rule_alloc()) {
  nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, kTableName);
  nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, chain);
  const TableComment text(comment);
  nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, text.data(), text.size());
}

TableRule& TableRule::LoadMark(uint32_t mask) {
  const uint32_t zero = 0;
  return LoadMeta(NFT_META_MARK).Mask(&mask, &zero, sizeof(mask));
}

TableRule& TableRule::StoreMark() {
  nftnl_expr* store = Append("meta");
  nftnl_expr_set_u32(store, NFTNL_EXPR_META_KEY, NFT_META_MARK);
  nftnl_expr_set_u32(store, NFTNL_EXPR_META_SREG, NFT_REG_1);
  return *this;
}

TableRule& TableRule::SetMark(uint32_t mask, uint32_t value) {
  const uint32_t others = ~mask;
  return LoadMeta(NFT_META_MARK).Mask(&others, &value, sizeof(value)).StoreMark();
}

TableRule& TableRule::LoadConnectionState(uint32_t mask) {
  const uint32_t zero = 0;
  return LoadConnection(NFT_CT_STATE).Mask(&mask, &zero, sizeof(mask));
}

TableRule& TableRule::LoadConnectionStatus(uint32_t mask) {
  const uint32_t zero = 0;
  return LoadConnection(NFT_CT_STATUS).Mask(&mask, &zero, sizeof(mask));
}

TableRule& TableRule::LoadConnectionMark(uint32_t mask) {
  const uint32_t zero = 0;
  return LoadConnection(NFT_CT_MARK).Mask(&mask, &zero, sizeof(mask));
}

TableRule& TableRule::SetConnectionMark(uint32_t mask, uint32_t value) {
  const uint32_t others = ~mask;
  LoadConnection(NFT_CT_MARK).Mask(&others, &value, sizeof(value));
  nftnl_expr* store = Append("ct");
  nftnl_expr_set_u32(store, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
  nftnl_expr_set_u32(store, NFTNL_EXPR_CT_SREG, NFT_REG_1);
  return *this;
}

TableRule& TableRule::IfEqual(uint32_t value) { return Compare(NFT_CMP_EQ, &value, sizeof(value)); }

TableRule& TableRule::IfNotEqual(uint32_t value) {
  return Compare(NFT_CMP_NEQ, &value, sizeof(value));
}

TableRule& TableRule::IfFamily(uint8_t family) {
  return LoadMeta(NFT_META_NFPROTO).Compare(NFT_CMP_EQ, &family, sizeof(family));
}

TableRule& TableRule::IfProtocol(uint8_t protocol) {
  return LoadMeta(NFT_META_L4PROTO).Compare(NFT_CMP_EQ, &protocol, sizeof(protocol));
}

TableRule& TableRule::IfNotProtocol(uint8_t protocol) {
  return LoadMeta(NFT_META_L4PROTO).Compare(NFT_CMP_NEQ, &protocol, sizeof(protocol));
}

TableRule& TableRule::IfProtocolIn(const char* set, bool is) {
  LoadMeta(NFT_META_L4PROTO);
  nftnl_expr* lookup = Append("lookup");
  nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, set);
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
  if (!is) nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  return *this;
}

TableRule& TableRule::IfPacketType(uint8_t type) {
  return LoadMeta(NFT_META_PKTTYPE).Compare(NFT_CMP_EQ, &type, sizeof(type));
}

TableRule& TableRule::IfNotPacketType(uint8_t type) {
  return LoadMeta(NFT_META_PKTTYPE).Compare(NFT_CMP_NEQ, &type, sizeof(type));
}

TableRule& TableRule::IfByte(nft_payload_bases header, uint32_t offset, uint8_t least,
                             uint8_t greatest) {
  LoadPayload(header, offset, 1);
  if (least == greatest) return Compare(NFT_CMP_EQ, &least, sizeof(least));
  return Compare(NFT_CMP_GTE, &least, sizeof(least))
      .Compare(NFT_CMP_LTE, &greatest, sizeof(greatest));
}

TableRule& TableRule::IfPort(Side side, uint16_t port) {
  // TCP and UDP begin with the source port and the destination port. The kernel lets no later
  // fragment match.
  const uint16_t value = htons(port);
  return LoadPayload(NFT_PAYLOAD_TRANSPORT_HEADER, side == Side::kSource ? 0 : 2, sizeof(value))
      .Compare(NFT_CMP_EQ, &value, sizeof(value));
}

TableRule& TableRule::IfReset() {
  const uint8_t reset = 0x04, zero = 0;
  return LoadPayload(NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlagsOffset, 1)
      .Mask(&reset, &zero, 1)
      .Compare(NFT_CMP_EQ, &reset, 1);
}

TableRule& TableRule::IfNotOpening() {
  const uint8_t syn = 0x02, syn_and_ack = 0x12, zero = 0;
  return LoadPayload(NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlagsOffset, 1)
      .Mask(&syn_and_ack, &zero, 1)
      .Compare(NFT_CMP_NEQ, &syn, 1);
}

TableRule& TableRule::IfAddress(Side side, const IpNetwork& network) {
  const uint32_t size = network.ipv6 ? 16 : 4;
  const uint32_t first = network.ipv6 ? 8 : 12;  // Offset of the source in the header.
  IfFamily(network.ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
  LoadPayload(NFT_PAYLOAD_NETWORK_HEADER, side == Side::kSource ? first : first + size, size);
  if (network.prefix_length < size * 8) {
    std::array<uint8_t, 16> mask{};
    const std::array<uint8_t, 16> zero{};
    for (uint32_t bit = 0; bit < network.prefix_length; ++bit) {
      mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 0x80 >> bit % 8);
    }
    Mask(mask.data(), zero.data(), size);
  }
  return Compare(NFT_CMP_EQ, network.address.data(), size);
}

TableRule& TableRule::IfInterface(Way way, uint32_t ifindex) {
  return LoadMeta(way == Way::kIn ? NFT_META_IIF : NFT_META_OIF).IfEqual(ifindex);
}

TableRule& TableRule::IfAddressType(Side side, uint32_t type) {
  return LoadFib(NFT_FIB_RESULT_ADDRTYPE,
                 side == Side::kSource ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR)
      .IfEqual(type);
}

TableRule& TableRule::IfNoWayBack() {
  return LoadFib(NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_PRESENT).IfEqual(0);
}

TableRule& TableRule::KeyFromHeader(nft_payload_bases header, uint32_t offset, uint32_t size) {
  return LoadPayload(header, offset, size, NextKeyRegister(size));
}

TableRule& TableRule::KeyFromProtocol() { return LoadMeta(NFT_META_L4PROTO, NextKeyRegister(1)); }

TableRule& TableRule::KeyFromInterface(Way way) {
  return LoadMeta(way == Way::kIn ? NFT_META_IIF : NFT_META_OIF, NextKeyRegister(sizeof(uint32_t)));
}

TableRule& TableRule::KeyFromNothing() {
  const uint32_t nothing = 0;
  return LoadValue(&nothing, sizeof(nothing), NextKeyRegister(sizeof(nothing)));
}

TableRule& TableRule::KeyFromConnection(nft_ct_keys key, uint32_t size) {
  LoadConnection(key, NextKeyRegister(size));
  return *this;
}

TableRule& TableRule::KeyFromConnectionMark(uint32_t mask) {
  const uint32_t zero = 0;
  const uint32_t part = NextKeyRegister(sizeof(mask));
  return LoadConnection(NFT_CT_MARK, part).Mask(&mask, &zero, sizeof(mask), part);
}

TableRule& TableRule::IfIn(const char* map) {
  nftnl_expr* lookup = Append("lookup");
  nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, map);
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00);
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
  return *this;
}

TableRule& TableRule::Enter(const char* map, Entry entry, uint32_t value, uint64_t lifetime_ms) {
  const uint32_t data = NextKeyRegister(sizeof(value));
  LoadValue(&value, sizeof(value), data);
  nftnl_expr* enter = Append("dynset");
  nftnl_expr_set_str(enter, NFTNL_EXPR_DYNSET_SET_NAME, map);
  nftnl_expr_set_u32(enter, NFTNL_EXPR_DYNSET_OP,
                     entry == Entry::kAdd ? NFT_DYNSET_OP_ADD : NFT_DYNSET_OP_UPDATE);
  nftnl_expr_set_u32(enter, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG32_00);
  nftnl_expr_set_u32(enter, NFTNL_EXPR_DYNSET_SREG_DATA, data);
  nftnl_expr_set_u64(enter, NFTNL_EXPR_DYNSET_TIMEOUT, lifetime_ms);
  return *this;
}

TableRule& TableRule::Count(TableCounter counter) {
  nftnl_expr* reference = Append("objref");
  nftnl_expr_set_u32(reference, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
  nftnl_expr_set_str(reference, NFTNL_EXPR_OBJREF_IMM_NAME, NameOf(counter));
  return *this;
}

TableRule& TableRule::NoTrack() {
  Append("notrack");
  return *this;
}

TableRule& TableRule::Accept() { return Verdict(NF_ACCEPT, nullptr); }

TableRule& TableRule::Drop() { return Verdict(NF_DROP, nullptr); }

TableRule& TableRule::Jump(const char* chain) { return Verdict(NFT_JUMP, chain); }

TableRule& TableRule::Goto(const char* chain) { return Verdict(NFT_GOTO, chain); }

TableRule& TableRule::Reject(nft_reject_types type, uint8_t code) {
  nftnl_expr* reject = Append("reject");
  nftnl_expr_set_u32(reject, NFTNL_EXPR_REJECT_TYPE, type);
  nftnl_expr_set_u8(reject, NFTNL_EXPR_REJECT_CODE, code);
  return *this;
}

TableRule& TableRule::Queue(const QueueTarget& queues, QueueExpression expression) {
  if (expression == QueueExpression::kNative) {
    nftnl_expr* queue = Append("queue");
    nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_NUM, queues.first);
    nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_TOTAL, queues.count);
    nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
    return *this;
  }
  nftnl_expr* target = Append("target");
  nftnl_expr_set_str(target, NFTNL_EXPR_TG_NAME, "NFQUEUE");
  nftnl_expr_set_u32(target, NFTNL_EXPR_TG_REV, 3);
  // The expression takes ownership of the pointer and frees it. The data of a target has a size in
  // multiples of eight bytes.
  constexpr size_t kSize = (sizeof(xt_NFQ_info_v3) + 7) / 8 * 8;
  auto* info = static_cast<xt_NFQ_info_v3*>(calloc(1, kSize));
  if (info == nullptr) abort();
  info->queuenum = queues.first;
  info->queues_total = queues.count;
  info->flags = NFQ_FLAG_BYPASS;
  nftnl_expr_set(target, NFTNL_EXPR_TG_INFO, info, kSize);
  return *this;
}

void TableRule::AddTo(TableTransaction& transaction) const {
  transaction.Add(absl::StrCat("rule of chain ", chain_), NFT_MSG_NEWRULE,
                  NLM_F_CREATE | NLM_F_APPEND,
                  [&](nlmsghdr* message) { nftnl_rule_nlmsg_build_payload(message, rule_.get()); });
}

TableRule& TableRule::Compare(nft_cmp_ops operation, const void* value, uint32_t size) {
  nftnl_expr* compare = Append("cmp");
  nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
  nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, operation);
  nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, value, size);
  return *this;
}

TableRule& TableRule::Mask(const void* mask, const void* flip, uint32_t size, uint32_t at) {
  nftnl_expr* bits = Append("bitwise");
  nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_SREG, at);
  nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_DREG, at);
  nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
  nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_LEN, size);
  nftnl_expr_set(bits, NFTNL_EXPR_BITWISE_MASK, mask, size);
  nftnl_expr_set(bits, NFTNL_EXPR_BITWISE_XOR, flip, size);
  return *this;
}

TableRule& TableRule::LoadMeta(nft_meta_keys key, uint32_t to) {
  nftnl_expr* load = Append("meta");
  nftnl_expr_set_u32(load, NFTNL_EXPR_META_KEY, key);
  nftnl_expr_set_u32(load, NFTNL_EXPR_META_DREG, to);
  return *this;
}

TableRule& TableRule::LoadFib(nft_fib_result result, uint32_t flags) {
  nftnl_expr* load = Append("fib");
  nftnl_expr_set_u32(load, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
  nftnl_expr_set_u32(load, NFTNL_EXPR_FIB_RESULT, result);
  nftnl_expr_set_u32(load, NFTNL_EXPR_FIB_FLAGS, flags);
  return *this;
}

TableRule& TableRule::LoadConnection(nft_ct_keys key, uint32_t to) {
  nftnl_expr* load = Append("ct");
  nftnl_expr_set_u32(load, NFTNL_EXPR_CT_KEY, key);
  nftnl_expr_set_u32(load, NFTNL_EXPR_CT_DREG, to);
  // The kernel requires a direction for keys that both directions have, and refuses one for others.
  if (key == NFT_CT_SRC_IP || key == NFT_CT_DST_IP || key == NFT_CT_SRC_IP6 ||
      key == NFT_CT_DST_IP6 || key == NFT_CT_PROTO_SRC || key == NFT_CT_PROTO_DST) {
    nftnl_expr_set_u8(load, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
  }
  return *this;
}

TableRule& TableRule::LoadPayload(nft_payload_bases header, uint32_t offset, uint32_t size,
                                  uint32_t to) {
  nftnl_expr* load = Append("payload");
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_DREG, to);
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_BASE, header);
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_LEN, size);
  return *this;
}

TableRule& TableRule::LoadValue(const void* value, uint32_t size, uint32_t to) {
  nftnl_expr* load = Append("immediate");
  nftnl_expr_set_u32(load, NFTNL_EXPR_IMM_DREG, to);
  nftnl_expr_set(load, NFTNL_EXPR_IMM_DATA, value, size);
  return *this;
}

// The parts of a key lie side by side. Each takes as many four-byte registers as it needs.
uint32_t TableRule::NextKeyRegister(uint32_t size) {
  const uint32_t next = NFT_REG32_00 + key_registers_;
  key_registers_ += (size + NFT_REG32_SIZE - 1) / NFT_REG32_SIZE;
  return next;
}

TableRule& TableRule::Verdict(int verdict, const char* chain) {
  nftnl_expr* end = Append("immediate");
  nftnl_expr_set_u32(end, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(end, NFTNL_EXPR_IMM_VERDICT, static_cast<uint32_t>(verdict));
  if (chain != nullptr) nftnl_expr_set_str(end, NFTNL_EXPR_IMM_CHAIN, chain);
  return *this;
}

nftnl_expr* TableRule::Append(const char* name) {
  nftnl_expr* expression = nftnl_expr_alloc(name);
  if (expression == nullptr) abort();  // No memory, or a name that libnftnl does not know.
  nftnl_rule_add_expr(rule_.get(), expression);
  return expression;
}

}  // namespace sluice::agent
