#include "agent/netfilter/early_refusal.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/remembered_keys.h"
#include "agent/netfilter/remembered_rules.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/table_counter.h"
#include "agent/netfilter/table_exemptions.h"
#include "agent/netfilter/table_rule.h"

namespace sluice::agent {
namespace {

// Right before connection tracking: zones have been chosen by then.
constexpr int32_t kEarlyPriority = NF_IP_PRI_CONNTRACK - 1;

// A lesson is learned anew so often, in case routes or others' rules change.
constexpr uint64_t kLessonMs = 1000;
// Of lessons at a time. A source that goes through all ports of many addresses fills that soon, and
// gains nothing by it: its packets are refused in the forward hook.
constexpr uint32_t kMostLessons = 4096;

constexpr KeyPart kParts[] = {KeyPart::kSource,          KeyPart::kDestination, KeyPart::kProtocol,
                              KeyPart::kDestinationPort, KeyPart::kInput,       KeyPart::kZone};
const RememberedSet kFloods[] = {{"floods4", RememberedScope::kSource, false, kParts},
                                 {"floods6", RememberedScope::kSource, true, kParts}};

void AddFamily(const RememberedSet& floods, uint32_t mark_mask, TableTransaction& transaction) {
  const RememberedSet& sources = RememberedSetOf(RememberedScope::kSource, floods.ipv6);
  const uint32_t refused = RefuseMark(mark_mask, Notification::kNone);
  AddSet(floods, kMostLessons, transaction);

  ForEachKey(sources, /*tracks=*/true, [&](ReadKey key) {
    TableRule rule(kEarlyChain, "sources refused");
    key(rule);
    rule.IfIn(sources.name).IfEqual(refused).Goto(kFloodsChain).AddTo(transaction);
  });
  ForEachKey(floods, /*tracks=*/true, [&](ReadKey key) {
    TableRule drop(kFloodsChain, "sources refused, and refused so before");
    key(drop);
    drop.IfIn(floods.name).Count(TableCounter::kDroppedEarly).Drop().AddTo(transaction);

    TableRule learn(kLearnChain, "the next such is dropped early");
    learn.LoadMark(mark_mask)
        .IfEqual(refused)
        .IfPacketType(PACKET_HOST)
        .LoadConnectionState(NF_CT_STATE_BIT(IP_CT_RELATED))
        .IfEqual(0);
    key(learn);
    learn.Enter(floods.name, TableRule::Entry::kAdd, refused, kLessonMs).AddTo(transaction);
  });
}

}  // namespace

std::vector<TableChain> EarlyChains() {
  return {{kEarlyChain, {{NF_INET_PRE_ROUTING, kEarlyPriority}}},
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
  TableRule(kLearnChain, "translated: the next may be for somebody else")
      .LoadConnectionStatus(IPS_NAT_MASK)
      .IfNotEqual(0)
      .Goto(kRefuseChain)
      .AddTo(transaction);
  for (const RememberedSet& floods : kFloods) AddFamily(floods, mark_mask, transaction);
  TableRule(kLearnChain, "refused").Goto(kRefuseChain).AddTo(transaction);
}

}  // namespace sluice::agent
