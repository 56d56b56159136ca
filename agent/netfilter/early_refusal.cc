#include "agent/netfilter/early_refusal.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/remembered_rules.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/table_exemptions.h"
#include "agent/netfilter/table_rule.h"

namespace sluice::agent {
namespace {

// A lesson is learned anew so often, in case routes or others' rules change.
constexpr uint64_t kLessonMs = 1000;
// Of lessons at a time. A source that goes through all ports of many addresses fills that soon, and
// gains nothing by it: its packets are refused in the forward hook.
constexpr uint32_t kMostLessons = 4096;

constexpr uint32_t kPortOffset = 2;  // As in the keys of peers.

const RememberedSet kFloods[] = {
    {"floods4", RememberedScope::kSource, false, 20,
     Parts(kInterface, kIpv4Address, kIpv4Address, kProtocol, kService)},
    {"floods6", RememberedScope::kSource, true, 44,
     Parts(kInterface, kIpv6Address, kIpv6Address, kProtocol, kService)},
};

void AddKey(bool ipv6, TableRule& rule) {
  rule.KeyFromInterface()
      .KeyFromHeader(NFT_PAYLOAD_NETWORK_HEADER, ipv6 ? 8 : 12, ipv6 ? 32 : 8)
      .KeyFromProtocol()
      .KeyFromHeader(NFT_PAYLOAD_TRANSPORT_HEADER, kPortOffset, 2);
}

void AddFamily(const RememberedSet& floods, uint32_t mark_mask, TableTransaction& transaction) {
  const bool ipv6 = floods.ipv6;
  const uint8_t family = ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
  const uint32_t refused = RefuseMark(mark_mask, Notification::kNone);
  AddSet(floods, kMostLessons, transaction);

  TableRule(kEarlyChain, "sources refused")
      .IfFamily(family)
      .KeyFromHeader(NFT_PAYLOAD_NETWORK_HEADER, ipv6 ? 8 : 12, ipv6 ? 16 : 4)
      .IfIn(RememberedSetOf(RememberedScope::kSource, ipv6).name)
      .IfEqual(refused)
      .Goto(kFloodsChain)
      .AddTo(transaction);

  TableRule drop(kFloodsChain, "sources refused, and refused so before");
  AddKey(ipv6, drop.IfFamily(family));
  drop.IfIn(floods.name).Count().Drop().AddTo(transaction);

  TableRule learn(kLearnChain, "the next such is dropped early");
  learn.IfFamily(family)
      .IfNotProtocol(ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)
      .IfForUs()
      .LoadConnectionStatus(IPS_NAT_MASK)
      .IfEqual(0)
      .LoadMark(mark_mask)
      .IfEqual(refused);
  AddKey(ipv6, learn);
  learn.Enter(floods.name, TableRule::Entry::kAdd, refused, kLessonMs).AddTo(transaction);
}

}  // namespace

std::vector<TableChain> EarlyChains() {
  return {{kEarlyChain, {{NF_INET_PRE_ROUTING, NF_IP_PRI_RAW}}},
          {kFloodsChain, std::nullopt},
          {kLearnChain, std::nullopt}};
}

void FlushEarlyRefusals(TableTransaction& transaction) {
  for (const TableChain& chain : EarlyChains()) FlushChain(chain.name, transaction);
}

void AddEarlyRefusals(uint32_t mark_mask, const std::vector<ExemptFlow>& exempt,
                      TableTransaction& transaction) {
  for (const TableChain& chain : EarlyChains()) AddChain(chain, NF_ACCEPT, transaction);
  // What is exempt for where it goes was never refused, so nothing was learned of it; answers are
  // exempt for where they come from, which the keys do not tell.
  AddExemptAnswers(exempt, kFloodsChain, transaction);
  for (const RememberedSet& floods : kFloods) AddFamily(floods, mark_mask, transaction);
  TableRule(kLearnChain, "refused").Goto(kRefuseChain).AddTo(transaction);
}

}  // namespace sluice::agent
