#include "agent/netfilter/table_layout.h"

#include <libmnl/libmnl.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/early_refusal.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/table_comment.h"
#include "agent/netfilter/table_exemptions.h"

namespace sluice::agent {
namespace {

// Just before the place iptables' mangle table and most rule sets use, so that the mark of a
// verdict is seen by theirs, and by filter's after it.
constexpr int32_t kPreparePriority = NF_IP_PRI_MANGLE - 5;
// Right behind: no table of others can turn a refusal into anything else, nor see our bits.
constexpr int32_t kGuardPriority = NF_IP_PRI_MANGLE - 4;

struct Free {
  void operator()(nftnl_table* table) const { nftnl_table_free(table); }
};
using TablePtr = std::unique_ptr<nftnl_table, Free>;

void ChangeTable(TableTransaction& transaction, uint16_t type, uint16_t flags,
                 const char* comment) {
  TablePtr table(nftnl_table_alloc());
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, kTableName);
  if (comment != nullptr) {
    const TableComment text(comment);
    nftnl_table_set_data(table.get(), NFTNL_TABLE_USERDATA, text.data(), text.size());
  }
  transaction.Add("", type, flags, [&](nlmsghdr* message) {
    nftnl_table_nlmsg_build_payload(message, table.get());
  });
}

bool LetsUndecidedPass(const TableOptions& options, TableState state) {
  return options.fail_open || state.mode == TableMode::kShadow;
}

// Makes the chains, or gives those that are there their policies. The guard's is for when others
// have flushed it: each way through the chain ends in a rule.
void AddChains(bool lets_pass, TableTransaction& transaction) {
  for (const TableChain& chain : TableChains()) {
    const bool drops = chain.name == kGuardChain && !lets_pass;
    AddChain(chain, drops ? NF_DROP : NF_ACCEPT, transaction);
  }
}

// What a verdict's mark says is done right there.
void AddGuardRules(uint32_t mark_mask, bool lets_pass, TableTransaction& transaction) {
  // First what there is most of.
  TableRule(kGuardChain, "let through")
      .LoadMark(mark_mask)
      .IfEqual(DecidedBit(mark_mask))
      .SetMark(mark_mask, 0)
      .Accept()
      .AddTo(transaction);
  TableRule(kGuardChain, "verdicts that may have to be remembered")
      .Jump(kRememberChain)
      .AddTo(transaction);
  TableRule(kGuardChain, "refused by verdict")
      .LoadMark(DecidedBit(mark_mask) | RefusedBit(mark_mask))
      .IfEqual(RefusedBit(mark_mask))
      .Goto(kRefuseChain)
      .AddTo(transaction);
  if (!lets_pass) {
    TableRule(kGuardChain, "fail_mode closed: what no agent has let pass ends here")
        .LoadMark(DecidedBit(mark_mask))
        .IfEqual(0)
        .Count()
        .Drop()
        .AddTo(transaction);
  }
  TableRule last(kGuardChain, "the mark bits of the agent are not for others to see");
  // Without the rule before, should others have deleted it, the chain's policy is what is left.
  if (!lets_pass) last.LoadMark(DecidedBit(mark_mask)).IfNotEqual(0);
  last.SetMark(mark_mask, 0).Accept().AddTo(transaction);
}

constexpr absl::string_view kShadowComment = "mode shadow: asks the decider, everything passes";

// What the ask rule's comment ends in.
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

// Has connections tracked as long as the table is there. With the last rule that looks at
// connections the kernel stops to track, and drops what is queued; so one must stand where only a
// refill takes it away. It need not be met: at the end of this chain, nothing comes by.
void AddTrackingRule(TableTransaction& transaction) {
  TableRule(kRefuseChain, "connections are tracked, and fragments reassembled, as this rule looks")
      .LoadConnectionState(~0u)
      .IfEqual(0)
      .Drop()
      .AddTo(transaction);
}

// Marks packets with what connection tracking makes of them.
void AddStateRules(uint32_t mark_mask, TableTransaction& transaction) {
  constexpr uint32_t kInvalidBit = 1;  // NF_CT_STATE_INVALID_BIT
  constexpr uint32_t kUntrackedBit = 1 << 6;
  constexpr auto bit = [](ip_conntrack_info info) { return 1u << (info % IP_CT_IS_REPLY + 1); };
  const auto add = [&](uint32_t states, TrackedState state, const char* comment) {
    TableRule(kAskChain, comment)
        .LoadConnectionState(states)
        .IfNotEqual(0)
        .SetMark(StateBits(mark_mask), StateMark(mark_mask, state))
        .AddTo(transaction);
  };
  // Most that is asked about is new.
  add(bit(IP_CT_NEW), TrackedState::kNew, "tells the decider: new");
  add(bit(IP_CT_ESTABLISHED), TrackedState::kEstablished, "tells the decider: established");
  add(bit(IP_CT_RELATED), TrackedState::kRelated, "tells the decider: related");
  add(kInvalidBit | kUntrackedBit, TrackedState::kInvalid, "tells the decider: invalid");
}

bool Remembers(TableState state) { return state.mode == TableMode::kOn; }

RememberMarks MarksOf(const TableOptions& options, uint32_t generation) {
  return {.mark_mask = options.mark_mask,
          .connection_mark_mask = options.connection_mark_mask,
          .generation = generation};
}

void AddRemembering(const TableOptions& options, TableState state, uint32_t generation,
                    TableTransaction& transaction) {
  AddRememberedSets(options.remembered_limit, transaction);
  if (!Remembers(state) || generation == 0) return;
  AddRememberedConnections(MarksOf(options, generation), transaction);
}

// The order of `prepare`. As long as nothing is refused, accepted connections come first: their
// packets are what there is most of, and none of them would be asked about anyway. Then refusals
// come before them, as a source that is refused has no connections that go on; and what is exempt
// comes before refusals.
void AddPrepareRules(const TableOptions& options, TableState state, uint32_t generation,
                     bool refuses, TableTransaction& transaction) {
  const auto jump = [&](const char* chain, const char* comment) {
    TableRule(kPrepareChain, comment).Jump(chain).AddTo(transaction);
  };
  constexpr char kExemptComment[] = "what is exempt is not asked about";
  if (refuses) {
    jump(kExemptChain, kExemptComment);
    jump(kRefusedChain, "what is refused is not asked about");
  }
  if (Remembers(state) && generation != 0) {
    AddAcceptedConnections(MarksOf(options, generation), transaction);
  }
  // A packet that is repeated comes by here again, and bears how often that was and nothing else in
  // our bits. What another rule restored from a connection's mark (CONNMARK --restore-mark) may
  // look like that but for the bit that says it is a generation.
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
  if (!refuses) jump(kExemptChain, kExemptComment);
  if (Remembers(state)) jump(kAcceptedChain, "what is accepted is not asked about");
  jump(kAskChain, "everything else is");
}

void AddAskRules(const TableOptions& options, TableState state, QueueExpression queue,
                 TableTransaction& transaction) {
  if (TracksConnections(options)) AddStateRules(options.mark_mask, transaction);
  const std::string comment = AskComment(options, state);
  TableRule(kAskChain, comment.c_str())
      .Count()
      .Queue({.first = options.first_queue,
              .count = options.queue_count,
              .bypass = LetsUndecidedPass(options, state)},
             queue)
      .AddTo(transaction);
}

void AddRules(const TableOptions& options, TableState state, uint32_t generation,
              QueueExpression queue, TableTransaction& transaction) {
  AddRemembering(options, state, generation, transaction);
  AddExemptions(options.exempt, options.mark_mask, transaction);
  AddPrepareRules(options, state, generation, /*refuses=*/false, transaction);
  AddAskRules(options, state, queue, transaction);
  AddGuardRules(options.mark_mask, LetsUndecidedPass(options, state), transaction);
  AddRefusal(options.mark_mask, transaction);
  if (TracksConnections(options)) AddTrackingRule(transaction);
}

}  // namespace

std::vector<TableChain> TableChains() {
  return {
      {kPrepareChain, {{NF_INET_FORWARD, kPreparePriority}}},
      {kExemptChain, std::nullopt},
      {kRefusedChain, std::nullopt},
      {kAcceptedChain, std::nullopt},
      {kRememberChain, std::nullopt},
      {kRefreshChain, std::nullopt},
      {kRefuseChain, std::nullopt},
      {kAskChain, std::nullopt},
      {kGuardChain, {{NF_INET_FORWARD, kGuardPriority}}},
  };
}

void AddTable(const TableOptions& options, TableState state, uint32_t generation,
              QueueExpression queue, TableTransaction& transaction) {
  // Deleting what is not there is an error, so it is made first; making what is there is none.
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, nullptr);
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0, nullptr);
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE,
              "made and restored by sluice-agent; sluice-agent --release removes it");

  AddChains(LetsUndecidedPass(options, state), transaction);
  AddRules(options, state, generation, queue, transaction);
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

void StopAsking(const TableOptions& options, bool guard, TableTransaction& transaction) {
  FlushChain(kAskChain, transaction);
  if (!guard) return;
  FlushChain(kGuardChain, transaction);
  AddGuardRules(options.mark_mask, /*lets_pass=*/true, transaction);
}

void RefillTable(const TableOptions& options, TableState state, uint32_t generation,
                 QueueExpression queue, TableTransaction& transaction) {
  AddChains(LetsUndecidedPass(options, state), transaction);
  FlushChain(nullptr, transaction);
  DeleteRememberedSets(transaction);
  AddRules(options, state, generation, queue, transaction);
}

void AddForgetting(const TableOptions& options, TableState state, uint32_t generation, bool early,
                   TableTransaction& transaction) {
  for (const char* chain : kForgetfulChains) FlushChain(chain, transaction);
  if (early) FlushEarlyRefusals(transaction);
  DeleteRememberedSets(transaction);
  AddRemembering(options, state, generation, transaction);
  AddPrepareRules(options, state, generation, /*refuses=*/false, transaction);
}

void PutRefusalsFirst(const TableOptions& options, TableState state, uint32_t generation,
                      TableTransaction& transaction) {
  FlushChain(kPrepareChain, transaction);
  AddPrepareRules(options, state, generation, /*refuses=*/true, transaction);
}

void DeleteTable(TableTransaction& transaction) {
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0, nullptr);
}

}  // namespace sluice::agent
