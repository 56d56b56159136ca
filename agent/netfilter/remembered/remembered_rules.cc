#include "agent/netfilter/remembered/remembered_rules.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_rule.h"
#include "agent/netfilter/remembered/remembered_keys.h"
#include "agent/netfilter/remembered/remembered_sets.h"

namespace sluice::agent {
namespace {

constexpr uint64_t kMillisecondsASecond = 1000;

constexpr uint64_t kEnteredLifetimeMs = 60'000;
constexpr uint32_t kExpected = IPS_EXPECTED;
constexpr uint32_t kExpectedOrNotFirst = IPS_EXPECTED | IPS_CONFIRMED;

// Calls `add` once for each rule that is needed to find packets by that scope, with the map and a
// function that appends the key.
void ForEachMap(const RememberMarks& marks, RememberedScope scope,
                absl::FunctionRef<void(const char* map, ReadKey)> add) {
  for (const bool ipv6 : {false, true}) {
    const RememberedSet& set = RememberedSetOf(scope, ipv6);
    ForEachKey(set, marks.tracks, [&](ReadKey key) { add(set.name, key); });
  }
}

// The same for the other direction of connections.
void ForEachReply(absl::FunctionRef<void(const char* map, ReadKey)> add) {
  for (const bool ipv6 : {false, true}) {
    const RememberedSet& set = RememberedSetOf(RememberedScope::kConnection, ipv6);
    ForEachReplyKey(set, [&](ReadKey key) { add(set.name, key); });
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

// The map's value for a drop. For connections it is the slot, which knows how long each is to be
// remembered after its latest packet. For peers and sources it is the notice.
uint32_t DropEntry(uint32_t mark_mask, const RememberedSlot& slot) {
  if (slot.kind.scope == RememberedScope::kConnection) return SlotMark(mark_mask, slot);
  return DropMark(mark_mask, slot.kind.notice);
}

void AddLookups(const RememberMarks& marks, const RememberedKind& kind,
                TableTransaction& transaction) {
  const uint32_t decided = DecidedBit(marks.mark_mask);
  const std::string comment =
      absl::StrCat(ScopeName(kind.scope), kind.accept ? " accepted" : " dropped");
  const TableCounter accepted = kind.scope == RememberedScope::kConnection
                                    ? TableCounter::kAcceptedConnection
                                    : TableCounter::kAcceptedAddress;
  ForEachMap(marks, kind.scope, [&](const char* map, ReadKey key) {
    TableRule rule(kind.accept ? kAcceptedChain : kDroppedChain, comment.c_str());
    key(rule);
    rule.IfIn(map);
    if (kind.accept) {
      rule.IfEqual(decided).Count(accepted).SetMark(marks.mark_mask, decided).Accept();
    } else if (kind.scope == RememberedScope::kConnection) {
      rule.IfNotEqual(decided)
          .StoreMark()
          .Count(TableCounter::kDroppedConnection)
          .Jump(kRefreshChain);
    } else {
      rule.IfNotEqual(decided).StoreMark().Count(TableCounter::kDroppedAddress);
      const bool learns = kind.scope == RememberedScope::kSource && marks.tracks;
      rule.Goto(learns ? kLearnChain : kNotifyChain);
    }
    rule.AddTo(transaction);
  });
}

uint64_t Lifetime(const RememberedSlot& slot) {
  return slot.kind.lifetime_s * kMillisecondsASecond;
}

void AddRefresh(const RememberMarks& marks, const RememberedSlot& slot, const std::string& comment,
                TableTransaction& transaction) {
  const uint32_t mark = SlotMark(marks.mark_mask, slot);
  const auto prolong = [&](const char* map, ReadKey key) {
    TableRule rule(kRefreshChain, comment.c_str());
    rule.LoadMark(marks.mark_mask).IfEqual(mark);
    key(rule);
    rule.Enter(map, TableRule::Entry::kProlong, mark, Lifetime(slot)).AddTo(transaction);
  };
  ForEachMap(marks, slot.kind.scope, prolong);
  ForEachReply(prolong);
  TableRule(kRefreshChain, comment.c_str())
      .LoadMark(marks.mark_mask)
      .IfEqual(mark)
      .SetMark(marks.mark_mask, DropMark(marks.mark_mask, slot.kind.notice))
      .Goto(kNotifyChain)
      .AddTo(transaction);
}

// For accepted connections that bear no mark; they are kept in the sets of connections.
void AddEnteredConnections(const RememberMarks& marks, TableTransaction& transaction) {
  const uint32_t decided = DecidedBit(marks.mark_mask);
  const auto enter = [&](uint32_t slot, const char* map, ReadKey key, bool count) {
    TableRule rule(kRememberChain, "connections accepted, for a minute");
    rule.LoadMark(marks.mark_mask).IfEqual(AcceptMark(marks.mark_mask, slot));
    key(rule);
    if (count) rule.Count(TableCounter::kEntered);
    rule.Enter(map, TableRule::Entry::kAdd, decided, kEnteredLifetimeMs);
    if (count) rule.Count(TableCounter::kKept);
    rule.AddTo(transaction);
  };
  ForEachMap(marks, RememberedScope::kConnection, [&](const char* map, ReadKey key) {
    TableRule known(kAcceptedChain, "connections accepted, for a minute");
    key(known);
    known.IfIn(map)
        .IfEqual(decided)
        .Count(TableCounter::kAcceptedConnection)
        .SetMark(marks.mark_mask, decided)
        .Accept()
        .AddTo(transaction);
    enter(kEnteredConnectionSlot, map, key, /*count=*/true);
  });
  ForEachReply([&](const char* map, ReadKey key) {
    enter(kEnteredConnectionSlot, map, key, /*count=*/false);
  });
  for (const bool ipv6 : {false, true}) {
    const RememberedSet& set = RememberedSetOf(RememberedScope::kConnection, ipv6);
    ForEachUntrackedKey(
        set, [&](ReadKey key) { enter(kConnectionSlot, set.name, key, /*count=*/true); });
  }
}

}  // namespace

void AddAcceptedConnections(const RememberMarks& marks, TableTransaction& transaction) {
  TableRule(kPrepareChain, "connections accepted")
      .LoadConnectionStatus(kExpectedOrNotFirst)
      .IfNotEqual(kExpected)
      .KeyFromConnectionMark(marks.connection_mark_mask)
      .KeyFromInterface(TableRule::Way::kIn)
      .KeyFromInterface(TableRule::Way::kOut)
      .IfIn(kConnectionMarks.name)
      .Count(TableCounter::kAcceptedConnection)
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
  const auto accepted = [&marks](const char* comment) {
    TableRule rule(kRememberChain, comment);
    rule.LoadMark(marks.mark_mask).IfEqual(AcceptMark(marks.mark_mask, kConnectionSlot));
    return rule;
  };
  for (const int icmp : {int{IPPROTO_ICMP}, int{IPPROTO_ICMPV6}}) {
    accepted("an ICMP error bears the connection it is about")
        .IfProtocol(static_cast<uint8_t>(icmp))
        .LoadConnectionState(NF_CT_STATE_BIT(IP_CT_RELATED))
        .IfNotEqual(0)
        .SetMark(marks.mark_mask, DecidedBit(marks.mark_mask))
        .AddTo(transaction);
  }
  AddEnteredConnections(marks, transaction);
  // A connection that was not wiped bears a ConnectionMark, whichever its devices.
  const uint32_t form =
      DecidedBit(marks.connection_mark_mask) | DroppedBit(marks.connection_mark_mask);
  accepted("wiped by others since it was remembered")
      .LoadConnectionMark(form)
      .IfNotEqual(DroppedBit(marks.connection_mark_mask))
      .KeyFromConnection(NFT_CT_ID, 4)
      .IfIn(kSavedConnections.name)
      .Count(TableCounter::kWiped)
      .AddTo(transaction);
  accepted("connections accepted")
      .LoadConnectionState(NF_CT_STATE_UNTRACKED_BIT)
      .IfEqual(0)
      .Count(TableCounter::kEntered)
      .Jump(kMarkChain)
      .AddTo(transaction);
  // The kernel gives no id for a connection that is not confirmed, so none at its first packet.
  accepted("would notice if others wiped it")
      .KeyFromConnection(NFT_CT_ID, 4)
      .Enter(kSavedConnections.name, TableRule::Entry::kAdd, DecidedBit(marks.mark_mask),
             kEnteredLifetimeMs)
      .AddTo(transaction);
}

void AddConnectionMark(const RememberMarks& marks, const RememberedSlot& slot,
                       TableTransaction& transaction) {
  const DevicePair& devices = slot.kind.devices;
  std::vector<std::array<uint32_t, 3>> keys = {{slot.connection_mark, devices.low, devices.high}};
  if (devices.low != devices.high) {
    keys.push_back({slot.connection_mark, devices.high, devices.low});
  }
  for (const auto& [mark, input, output] : keys) {
    TableRule(kMarkChain, "connections between two devices")
        .IfInterface(TableRule::Way::kIn, input)
        .IfInterface(TableRule::Way::kOut, output)
        .SetConnectionMark(marks.connection_mark_mask, mark)
        .Count(TableCounter::kKept)
        .AddTo(transaction);
  }
  AddConnectionMarks(keys, DecidedBit(marks.mark_mask), transaction);
}

void AddRememberedSlot(const RememberMarks& marks, const RememberedSlot& slot, bool first,
                       TableTransaction& transaction) {
  const uint32_t mark = SlotMark(marks.mark_mask, slot);
  const std::string comment =
      absl::StrCat(ScopeName(slot.kind.scope), slot.kind.accept ? " accepted" : " dropped", " for ",
                   slot.kind.lifetime_s, " s");
  const uint32_t entry =
      slot.kind.accept ? DecidedBit(marks.mark_mask) : DropEntry(marks.mark_mask, slot);
  const auto enter = [&](const char* map, ReadKey key, bool count) {
    TableRule rule(kRememberChain, comment.c_str());
    rule.LoadMark(marks.mark_mask).IfEqual(mark);
    key(rule);
    if (count) rule.Count(TableCounter::kEntered);
    rule.Enter(map, TableRule::Entry::kAdd, entry, Lifetime(slot));
    if (count) rule.Count(TableCounter::kKept);
    rule.AddTo(transaction);
  };
  ForEachMap(marks, slot.kind.scope,
             [&](const char* map, ReadKey key) { enter(map, key, /*count=*/true); });
  if (slot.kind.scope == RememberedScope::kConnection) {
    ForEachReply([&](const char* map, ReadKey key) { enter(map, key, /*count=*/false); });
  }
  if (!slot.kind.accept) {
    TableRule(kRememberChain, comment.c_str())
        .LoadMark(marks.mark_mask)
        .IfEqual(mark)
        .SetMark(marks.mark_mask, DropMark(marks.mark_mask, slot.kind.notice))
        .AddTo(transaction);
    if (slot.kind.scope == RememberedScope::kConnection) {
      AddRefresh(marks, slot, comment, transaction);
    }
  }
  if (first) AddLookups(marks, slot.kind, transaction);
}

}  // namespace sluice::agent
