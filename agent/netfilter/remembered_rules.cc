#include "agent/netfilter/remembered_rules.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/table_rule.h"

namespace sluice::agent {
namespace {

constexpr uint64_t kMillisecondsASecond = 1000;
constexpr uint32_t kPortOffset = 2;  // Of the destination port, from the transport header on.

constexpr uint32_t kExpected = IPS_EXPECTED;
constexpr uint32_t kExpectedOrNotFirst = IPS_EXPECTED | IPS_CONFIRMED;

void AddSourceKey(bool ipv6, TableRule& rule) {
  rule.IfFamily(ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4)
      .KeyFromHeader(NFT_PAYLOAD_NETWORK_HEADER, ipv6 ? 8 : 12, ipv6 ? 16 : 4);
}

void AddPeerKey(bool ipv6, bool icmp, TableRule& rule) {
  const uint8_t protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  rule.IfFamily(ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
  icmp ? rule.IfProtocol(protocol) : rule.IfNotProtocol(protocol);
  // Source and destination stand side by side, in the header as in the key.
  rule.KeyFromHeader(NFT_PAYLOAD_NETWORK_HEADER, ipv6 ? 8 : 12, ipv6 ? 32 : 8).KeyFromProtocol();
  icmp ? rule.KeyFromNothing() : rule.KeyFromHeader(NFT_PAYLOAD_TRANSPORT_HEADER, kPortOffset, 2);
}

// Packets of the other family have no such addresses, and go no further.
void AddConnectionKey(bool ipv6, TableRule& rule) {
  const uint32_t size = ipv6 ? 16 : 4;
  rule.KeyFromConnection(ipv6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, size)
      .KeyFromConnection(ipv6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, size)
      .KeyFromConnection(NFT_CT_PROTOCOL, 1)
      .KeyFromConnection(NFT_CT_PROTO_SRC, 2)
      .KeyFromConnection(NFT_CT_PROTO_DST, 2);
}

// Calls `add` for every rule it takes to know a packet by that scope: with the map, and what
// appends the key.
void ForEachKey(
    RememberedScope scope,
    absl::FunctionRef<void(const char* map, absl::FunctionRef<void(TableRule&)> key)> add) {
  for (const bool ipv6 : {false, true}) {
    const char* map = RememberedSetOf(scope, ipv6).name;
    switch (scope) {
      case RememberedScope::kSource:
        add(map, [ipv6](TableRule& rule) { AddSourceKey(ipv6, rule); });
        break;
      case RememberedScope::kPeer:
        for (const bool icmp : {false, true}) {
          add(map, [ipv6, icmp](TableRule& rule) { AddPeerKey(ipv6, icmp, rule); });
        }
        break;
      case RememberedScope::kConnection:
        add(map, [ipv6](TableRule& rule) { AddConnectionKey(ipv6, rule); });
        break;
    }
  }
}

const char* ScopeName(RememberedScope scope) {
  switch (scope) {
    case RememberedScope::kConnection:
      return "connections";
    case RememberedScope::kPeer:
      return "peers";
    case RememberedScope::kSource:
      return "sources";
  }
  return "";
}

// What the map says of what is refused: of connections the slot, which knows how long each is to
// be remembered from its latest packet on; of others what the sender is told.
uint32_t RefusalEntry(uint32_t mark_mask, const RememberedSlot& slot) {
  if (slot.kind.scope == RememberedScope::kConnection) return SlotMark(mark_mask, slot);
  return RefuseMark(mark_mask, slot.kind.notification);
}

void AddLookups(const RememberMarks& marks, const RememberedKind& kind,
                TableTransaction& transaction) {
  const uint32_t decided = DecidedBit(marks.mark_mask);
  const std::string comment =
      absl::StrCat(ScopeName(kind.scope), kind.accept ? " accepted" : " refused");
  ForEachKey(kind.scope, [&](const char* map, absl::FunctionRef<void(TableRule&)> key) {
    TableRule rule(kind.accept ? kAcceptedChain : kRefusedChain, comment.c_str());
    key(rule);
    rule.IfIn(map);
    if (kind.accept) {
      rule.IfEqual(decided).Count().SetMark(marks.mark_mask, decided).Accept();
    } else if (kind.scope == RememberedScope::kConnection) {
      rule.StoreMark().Count().Jump(kRefreshChain);
    } else {
      rule.IfNotEqual(decided).StoreMark().Count();
      const bool learns = kind.scope == RememberedScope::kSource && marks.early;
      rule.Goto(learns ? kLearnChain : kRefuseChain);
    }
    rule.AddTo(transaction);
  });
}

void AddRefresh(const RememberMarks& marks, const RememberedSlot& slot, const std::string& comment,
                TableTransaction& transaction) {
  const uint32_t mark = SlotMark(marks.mark_mask, slot);
  ForEachKey(slot.kind.scope, [&](const char* map, absl::FunctionRef<void(TableRule&)> key) {
    TableRule rule(kRefreshChain, comment.c_str());
    rule.LoadMark(marks.mark_mask).IfEqual(mark);
    key(rule);
    rule.Enter(map, TableRule::Entry::kProlong, mark, slot.kind.lifetime_s * kMillisecondsASecond);
    rule.AddTo(transaction);
  });
  TableRule(kRefreshChain, comment.c_str())
      .LoadMark(marks.mark_mask)
      .IfEqual(mark)
      .SetMark(marks.mark_mask, RefuseMark(marks.mark_mask, slot.kind.notification))
      .Goto(kRefuseChain)
      .AddTo(transaction);
}

}  // namespace

void AddAcceptedConnections(const RememberMarks& marks, TableTransaction& transaction) {
  TableRule(kPrepareChain, "connections accepted")
      .LoadConnectionMark(marks.connection_mark_mask)
      .IfEqual(marks.generation)
      .LoadConnectionStatus(kExpectedOrNotFirst)
      .IfNotEqual(kExpected)
      .Count()
      .SetMark(marks.mark_mask, DecidedBit(marks.mark_mask))
      .Accept()
      .AddTo(transaction);
}

void AddRememberedConnections(const RememberMarks& marks, TableTransaction& transaction) {
  TableRule(kAcceptedChain, "announced by a connection: one of its own")
      .LoadConnectionStatus(kExpectedOrNotFirst)
      .IfEqual(kExpected)
      .SetConnectionMark(marks.connection_mark_mask, 0)
      .AddTo(transaction);
  TableRule(kRememberChain, "connections accepted")
      .LoadMark(marks.mark_mask)
      .IfEqual(AcceptMark(marks.mark_mask, kConnectionSlot))
      .Count()
      .SetConnectionMark(marks.connection_mark_mask, marks.generation)
      .Count()
      .AddTo(transaction);
}

void AddRememberedSlot(const RememberMarks& marks, const RememberedSlot& slot, bool first,
                       TableTransaction& transaction) {
  const uint32_t mark = SlotMark(marks.mark_mask, slot);
  const std::string comment =
      absl::StrCat(ScopeName(slot.kind.scope), slot.kind.accept ? " accepted" : " refused", " for ",
                   slot.kind.lifetime_s, " s");
  const uint32_t entry =
      slot.kind.accept ? DecidedBit(marks.mark_mask) : RefusalEntry(marks.mark_mask, slot);
  ForEachKey(slot.kind.scope, [&](const char* map, absl::FunctionRef<void(TableRule&)> key) {
    TableRule rule(kRememberChain, comment.c_str());
    rule.LoadMark(marks.mark_mask).IfEqual(mark);
    key(rule);
    rule.Count();
    rule.Enter(map, TableRule::Entry::kAdd, entry, slot.kind.lifetime_s * kMillisecondsASecond);
    rule.Count();
    rule.AddTo(transaction);
  });
  if (!slot.kind.accept) {
    TableRule(kRememberChain, comment.c_str())
        .LoadMark(marks.mark_mask)
        .IfEqual(mark)
        .SetMark(marks.mark_mask, RefuseMark(marks.mark_mask, slot.kind.notification))
        .AddTo(transaction);
    if (slot.kind.scope == RememberedScope::kConnection) {
      AddRefresh(marks, slot, comment, transaction);
    }
  }
  if (first) AddLookups(marks, slot.kind, transaction);
}

void AddRefusal(uint32_t mark_mask, TableTransaction& transaction) {
  const auto rule = [mark_mask](Notification notification, const char* comment) {
    TableRule refused(kRefuseChain, comment);
    refused.LoadMark(mark_mask).IfEqual(RefuseMark(mark_mask, notification));
    return refused;
  };
  // The first, as it may have to be fast.
  rule(Notification::kNone, "the decider refused it").Drop().AddTo(transaction);
  rule(Notification::kHostUnreachable, "the decider refused it: host unreachable")
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_HOST_UNREACH)
      .AddTo(transaction);
  rule(Notification::kAdminProhibited, "the decider refused it: administratively prohibited")
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
      .AddTo(transaction);
  rule(Notification::kTcpReset, "the decider refused it: TCP reset")
      .IfProtocol(IPPROTO_TCP)
      .Reject(NFT_REJECT_TCP_RST, 0)
      .AddTo(transaction);
  for (const Notification notification :
       {Notification::kPortUnreachable, Notification::kTcpReset}) {  // A reset of what is not TCP.
    rule(notification, "the decider refused it: port unreachable")
        .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH)
        .AddTo(transaction);
  }
  TableRule(kRefuseChain, "refused by a slot that is gone").Drop().AddTo(transaction);
}

}  // namespace sluice::agent
