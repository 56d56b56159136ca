#include "agent/netfilter/table/early_drop.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_rule.h"
#include "agent/netfilter/remembered/remembered_keys.h"
#include "agent/netfilter/remembered/remembered_rules.h"
#include "agent/netfilter/remembered/remembered_sets.h"
#include "agent/netfilter/table/table_exemptions.h"

namespace sluice::agent {
namespace {

// Right before connection tracking: zones have been chosen by then.
constexpr int32_t kEarlyPriority = NF_IP_PRI_CONNTRACK - 1;

// After this time a lesson must be learned again, in case routes or others' rules change.
constexpr uint64_t kLessonMs = 1000;
// The most lessons at a time. A source that scans all ports of many addresses soon uses them up,
// but gains nothing by it: its packets are still dropped in the forward hook.
constexpr uint32_t kMostLessons = 4096;

constexpr KeyPart kParts[] = {KeyPart::kSource,          KeyPart::kDestination, KeyPart::kProtocol,
                              KeyPart::kDestinationPort, KeyPart::kInput,       KeyPart::kZone};
const RememberedSet kFloods[] = {{"floods4", RememberedScope::kSource, false, kParts},
                                 {"floods6", RememberedScope::kSource, true, kParts}};

void AddFamily(const RememberedSet& floods, uint32_t mark_mask, TableTransaction& transaction) {
  const RememberedSet& sources = RememberedSetOf(RememberedScope::kSource, floods.ipv6);
  const uint32_t dropped = DropMark(mark_mask, Notice::kNone);
  AddSet(floods, kMostLessons, transaction);

  ForEachKey(sources, /*tracks=*/true, [&](ReadKey key) {
    TableRule rule(kEarlyChain, "sources dropped");
    key(rule);
    rule.IfIn(sources.name).IfEqual(dropped).Goto(kFloodsChain).AddTo(transaction);
  });
  ForEachKey(floods, /*tracks=*/true, [&](ReadKey key) {
    TableRule drop(kFloodsChain, "sources dropped, and such a packet was dropped before");
    key(drop);
    drop.IfIn(floods.name).Count(TableCounter::kDroppedEarly).Drop().AddTo(transaction);

    TableRule learn(kLearnChain, "the next such is dropped early");
    learn.LoadMark(mark_mask)
        .IfEqual(dropped)
        .IfPacketType(PACKET_HOST)
        .LoadConnectionState(NF_CT_STATE_BIT(IP_CT_RELATED))
        .IfEqual(0);
    key(learn);
    learn.Enter(floods.name, TableRule::Entry::kAdd, dropped, kLessonMs).AddTo(transaction);
  });
}

}  // namespace

std::vector<TableChain> EarlyChains() {
  return {{kEarlyChain, {{NF_INET_PRE_ROUTING, kEarlyPriority}}},
          {kFloodsChain, std::nullopt},
          {kLearnChain, std::nullopt}};
}

void FlushEarlyDrops(TableTransaction& transaction) {
  for (const TableChain& chain : EarlyChains()) FlushChain(chain.name, transaction);
}

void AddEarlyDrops(uint32_t mark_mask, const std::vector<ExemptFlow>& exempt,
                   TableTransaction& transaction) {
  for (const TableChain& chain : EarlyChains()) AddChain(chain, NF_ACCEPT, transaction);
  // Packets that are exempt by where they go were never dropped, so no lesson is about them.
  // Answers are exempt by where they come from, which the keys do not tell.
  AddExemptAnswers(exempt, kFloodsChain, transaction);
  TableRule(kLearnChain, "translated: the next may be for somebody else")
      .LoadConnectionStatus(IPS_NAT_MASK)
      .IfNotEqual(0)
      .Goto(kNotifyChain)
      .AddTo(transaction);
  for (const RememberedSet& floods : kFloods) AddFamily(floods, mark_mask, transaction);
  TableRule(kLearnChain, "dropped").Goto(kNotifyChain).AddTo(transaction);
}

}  // namespace sluice::agent
