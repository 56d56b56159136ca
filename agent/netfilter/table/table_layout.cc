#include "agent/netfilter/table/table_layout.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/port_protocols.h"
#include "agent/netfilter/nftables/table_comment.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/remembered/remembered_sets.h"
#include "agent/netfilter/table/early_drop.h"
#include "agent/netfilter/table/multicast.h"
#include "agent/netfilter/table/notify_rules.h"
#include "agent/netfilter/table/table_exemptions.h"

namespace sluice::agent {
namespace {

// Just before the priority of iptables' mangle table and most rule sets. So their rules, and those
// of filter after them, see the mark that a verdict sets.
constexpr int32_t kPreparePriority = NF_IP_PRI_MANGLE - 5;
// Right after `prepare`: no table of others can overrule a drop or see our bits.
constexpr int32_t kGuardPriority = NF_IP_PRI_MANGLE - 4;

void ChangeTable(TableTransaction& transaction, uint16_t type, uint16_t flags) {
  transaction.Add("", type, flags, [&](nlmsghdr* message) {
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, kTableName);
  });
}

// Creates the table, or takes over a held table whose holder is gone.
void HaveTable(TableHold hold, TableTransaction& transaction) {
  const TableComment comment(
      "made and restored by sluice-agent; sluice-agent --release removes it");
  transaction.Add("", NFT_MSG_NEWTABLE, NLM_F_CREATE, [&](nlmsghdr* message) {
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, kTableName);
    mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(FlagsOf(hold)));
    mnl_attr_put(message, NFTA_TABLE_USERDATA, comment.size(), comment.data());
  });
}

void DeleteAnyTable(TableHold hold, TableTransaction& transaction) {
  if (hold == TableHold::kHeld) return ChangeTable(transaction, kDestroyTableMessage, 0);
  // Deleting a table that does not exist is an error; creating one that exists is not. So the table
  // is created first.
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE);
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0);
}

bool LetsUndecidedPass(const TableOptions& options, TableState state) {
  return options.fail_open || state.mode == TableMode::kShadow;
}

// Creates the chains, or sets the policies of those that exist. The guard's policy only counts if
// others have flushed the chain: otherwise each way through it ends in a rule.
void AddChains(bool lets_pass, TableTransaction& transaction) {
  for (const TableChain& chain : TableChains()) {
    const bool drops = chain.name == kGuardChain && !lets_pass;
    AddChain(chain, drops ? NF_DROP : NF_ACCEPT, transaction);
  }
}

// The guard itself does what a verdict's mark says.
void AddGuardRules(uint32_t mark_mask, bool lets_pass, TableTransaction& transaction) {
  // The most frequent packets first.
  TableRule(kGuardChain, "let through")
      .LoadMark(mark_mask)
      .IfEqual(DecidedBit(mark_mask))
      .SetMark(mark_mask, 0)
      .Accept()
      .AddTo(transaction);
  TableRule(kGuardChain, "verdicts that may have to be remembered")
      .Jump(kRememberChain)
      .AddTo(transaction);
  TableRule(kGuardChain, "dropped by verdict")
      .LoadMark(DecidedBit(mark_mask) | DroppedBit(mark_mask))
      .IfEqual(DroppedBit(mark_mask))
      .Goto(kNotifyChain)
      .AddTo(transaction);
  // Such a packet has met the ask rule, and the queue let it go on unchanged.
  TableRule unheard(kGuardChain,
                    lets_pass ? "nobody listened: passes" : "nobody listened: dropped");
  unheard.LoadMark(DecidedBit(mark_mask))
      .IfEqual(0)
      .LoadMark(StateBits(mark_mask))
      .IfNotEqual(0)
      .Count(lets_pass ? TableCounter::kUnheardAccepted : TableCounter::kUnheardDropped);
  if (!lets_pass) unheard.Drop();
  unheard.AddTo(transaction);
  if (!lets_pass) {
    TableRule(kGuardChain, "fail_mode closed: what no agent has let pass ends here")
        .LoadMark(DecidedBit(mark_mask))
        .IfEqual(0)
        .Count(TableCounter::kGuardDropped)
        .Drop()
        .AddTo(transaction);
  }
  TableRule last(kGuardChain, "the mark bits of the agent are not for others to see");
  // If others have deleted the rule before, undecided packets must still meet the chain's policy.
  if (!lets_pass) last.LoadMark(DecidedBit(mark_mask)).IfNotEqual(0);
  last.SetMark(mark_mask, 0).Accept().AddTo(transaction);
}

constexpr absl::string_view kShadowComment = "mode shadow: asks the decider, everything passes";

// The end of the ask rule's comment.
absl::string_view RevertComment(TableRevert revert) {
  switch (revert) {
    case TableRevert::kNone:
      return "";
    case TableRevert::kToOff:
      return "; not confirmed, mode off before";
    case TableRevert::kToOn:
      return "; not confirmed, mode on before";
    case TableRevert::kToShadow:
      return "; not confirmed, mode shadow before";
  }
  return "";
}

std::string AskComment(const TableOptions& options, TableState state) {
  const absl::string_view mode = state.mode == TableMode::kShadow ? kShadowComment
                                 : options.fail_open
                                     ? "asks the decider; passes unasked if no agent listens"
                                     : "asks the decider; drops if no agent listens";
  return absl::StrCat(mode, RevertComment(state.revert));
}

// Keeps connections tracked as long as the table exists. When the last rule that looks at
// connections goes, the kernel stops tracking and drops queued packets. So one such rule must be
// where only a refill removes it. No packet need meet it: none reaches the end of this chain.
void AddTrackingRule(TableTransaction& transaction) {
  TableRule(kNotifyChain, "connections are tracked, and fragments reassembled, as this rule looks")
      .LoadConnectionState(~0u)
      .IfEqual(0)
      .Drop()
      .AddTo(transaction);
}

// Marks packets with their connection-tracking state.
void AddStateRules(uint32_t mark_mask, bool fib, TableTransaction& transaction) {
  const auto add = [&](uint32_t states, TrackedState state, const char* comment) {
    TableRule(kAskChain, comment)
        .LoadConnectionState(states)
        .IfNotEqual(0)
        .SetMark(StateBits(mark_mask), StateMark(mark_mask, state))
        .AddTo(transaction);
  };
  ForEachMulticast(fib, [&](absl::FunctionRef<void(TableRule&)> is) {
    TableRule rule(kAskChain, "tells the decider: new, as there are no answers to many");
    rule.LoadConnectionState(NF_CT_STATE_UNTRACKED_BIT).IfNotEqual(0);
    is(rule);
    rule.SetMark(StateBits(mark_mask), StateMark(mark_mask, TrackedState::kNew));
    rule.AddTo(transaction);
  });
  // Most packets that are asked about are new.
  add(NF_CT_STATE_BIT(IP_CT_NEW), TrackedState::kNew, "tells the decider: new");
  add(NF_CT_STATE_BIT(IP_CT_ESTABLISHED), TrackedState::kEstablished,
      "tells the decider: established");
  add(NF_CT_STATE_BIT(IP_CT_RELATED), TrackedState::kRelated, "tells the decider: related");
  TableRule(kAskChain, "tells the decider: invalid")
      .LoadConnectionState(NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT)
      .IfNotEqual(0)
      .LoadMark(StateBits(mark_mask))
      .IfEqual(0)
      .SetMark(StateBits(mark_mask), StateMark(mark_mask, TrackedState::kInvalid))
      .AddTo(transaction);
}

bool Remembers(TableState state) { return state.mode == TableMode::kOn; }

RememberMarks MarksOf(const TableOptions& options) {
  return {.mark_mask = options.mark_mask,
          .connection_mark_mask = options.connection_mark_mask,
          .tracks = TracksConnections(options)};
}

void AddRemembering(const TableOptions& options, TableState state, TableTransaction& transaction) {
  AddPortProtocols(transaction);
  AddRememberedSets(options.remembered_limit, transaction);
  if (!Remembers(state) || !MarksConnections(options)) return;
  AddRememberedConnections(MarksOf(options), transaction);
}

void AddClearingOfMarks(const TableOptions& options, TableTransaction& transaction) {
  // A repeated packet comes by here again. Our bits of its mark then hold the number of its repeats
  // and nothing else. A mark that another rule restored from a connection's mark (CONNMARK
  // --restore-mark) may look the same, except for the bit that says it is a generation.
  if ((options.connection_mark_mask & RepeatBits(options.mark_mask)) != 0) {
    TableRule(kPrepareChain, "what others restored counts no repeats")
        .LoadMark(options.mark_mask & ~RepeatBits(options.mark_mask))
        .IfNotEqual(0)
        .SetMark(options.mark_mask, 0)
        .AddTo(transaction);
  }
  TableRule(kPrepareChain, "the mark bits of the agent are not for others to set")
      .LoadMark(~options.mark_mask | RepeatBits(options.mark_mask))
      .StoreMark()
      .AddTo(transaction);
}

// The order of `prepare`. As long as there are no remembered drops, accepted connections come
// first: their packets are the most frequent, and none of them would be asked about anyway. Later,
// remembered drops come before accepted connections, because no connection of a dropped source may
// go on; and exempt packets come before remembered drops.
void AddPrepareRules(const TableOptions& options, TableState state, bool drops,
                     TableTransaction& transaction) {
  const auto jump = [&](const char* chain, const char* comment) {
    TableRule(kPrepareChain, comment).Jump(chain).AddTo(transaction);
  };
  constexpr char kExemptComment[] = "what is exempt is not asked about";
  if (drops) {
    jump(kExemptChain, kExemptComment);
    jump(kDroppedChain, "what is dropped is not asked about");
  }
  if (Remembers(state) && MarksConnections(options)) {
    AddAcceptedConnections(MarksOf(options), transaction);
  }
  AddClearingOfMarks(options, transaction);
  if (!drops) jump(kExemptChain, kExemptComment);
  if (Remembers(state)) jump(kAcceptedChain, "what is accepted is not asked about");
  jump(kAskChain, "everything else is");
}

void AddAskRules(const TableOptions& options, TableState state, TableExpressions has,
                 TableTransaction& transaction) {
  if (TracksConnections(options)) {
    AddStateRules(options.mark_mask, has.fib, transaction);
  } else {
    TableRule(kAskChain, "asked about")
        .SetMark(StateBits(options.mark_mask), StateMark(options.mark_mask, TrackedState::kUntold))
        .AddTo(transaction);
  }
  const std::string comment = AskComment(options, state);
  TableRule(kAskChain, comment.c_str())
      .Count(TableCounter::kAsked)
      .Queue({.first = options.first_queue, .count = options.queue_count}, has.queue)
      .AddTo(transaction);
}

void AddRules(const TableOptions& options, TableState state, TableExpressions has,
              TableTransaction& transaction) {
  AddMulticast(has.fib, transaction);
  AddRemembering(options, state, transaction);
  AddExemptions(options.exempt, options.mark_mask, transaction);
  AddPrepareRules(options, state, /*drops=*/false, transaction);
  AddAskRules(options, state, has, transaction);
  AddGuardRules(options.mark_mask, LetsUndecidedPass(options, state), transaction);
  AddNotifyRules(options.mark_mask, has.fib, transaction);
  if (TracksConnections(options)) AddTrackingRule(transaction);
}

}  // namespace

std::vector<TableChain> TableChains() {
  return {
      MulticastChain(),
      {kPrepareChain, {{NF_INET_FORWARD, kPreparePriority}}},
      {kExemptChain, std::nullopt},
      {kDroppedChain, std::nullopt},
      {kAcceptedChain, std::nullopt},
      {kRememberChain, std::nullopt},
      {kMarkChain, std::nullopt},
      {kRefreshChain, std::nullopt},
      {kNotifyChain, std::nullopt},
      {kAskChain, std::nullopt},
      {kGuardChain, {{NF_INET_FORWARD, kGuardPriority}}},
  };
}

void AddTable(const TableOptions& options, TableState state, TableExpressions has, TableHold hold,
              TableTransaction& transaction) {
  DeleteAnyTable(hold, transaction);
  HaveTable(hold, transaction);
  AddCounters(transaction);
  AddChains(LetsUndecidedPass(options, state), transaction);
  AddRules(options, state, has, transaction);
}

TableState StateIn(absl::string_view ask_comment) {
  TableState state(absl::StartsWith(ask_comment, kShadowComment) ? TableMode::kShadow
                                                                 : TableMode::kOn);
  for (const TableRevert revert :
       {TableRevert::kToOff, TableRevert::kToOn, TableRevert::kToShadow}) {
    if (absl::EndsWith(ask_comment, RevertComment(revert))) state.revert = revert;
  }
  return state;
}

void StopAsking(const TableOptions& options, bool early, TableTransaction& transaction) {
  for (const char* chain : {kMulticastChain, kPrepareChain, kAskChain, kGuardChain}) {
    FlushChain(chain, transaction);
  }
  if (early) FlushEarlyDrops(transaction);
  AddClearingOfMarks(options, transaction);
  AddGuardRules(options.mark_mask, /*lets_pass=*/true, transaction);
}

void RefillTable(const TableOptions& options, TableState state, TableExpressions has,
                 TableHold hold, TableTransaction& transaction) {
  HaveTable(hold, transaction);
  AddCounters(transaction);
  AddChains(LetsUndecidedPass(options, state), transaction);
  FlushChain(nullptr, transaction);
  DeleteRememberedSets(transaction);
  DeletePortProtocols(transaction);
  AddRules(options, state, has, transaction);
}

void AddForgetting(const TableOptions& options, TableState state, bool early,
                   TableTransaction& transaction) {
  for (const char* chain : kForgetfulChains) FlushChain(chain, transaction);
  if (early) FlushEarlyDrops(transaction);
  DeleteRememberedSets(transaction);
  DeletePortProtocols(transaction);
  AddRemembering(options, state, transaction);
  AddPrepareRules(options, state, /*drops=*/false, transaction);
}

void PutDropsFirst(const TableOptions& options, TableState state, TableTransaction& transaction) {
  FlushChain(kPrepareChain, transaction);
  AddPrepareRules(options, state, /*drops=*/true, transaction);
}

void DeleteTable(TableTransaction& transaction) { ChangeTable(transaction, NFT_MSG_DELTABLE, 0); }

}  // namespace sluice::agent
