#include "agent/netfilter/table_layout.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/table_comment.h"
#include "agent/netfilter/table_exemptions.h"

namespace sluice::agent {
namespace {

// Chains are placed around the one iptables' mangle table and most rule sets use, so that the
// mark of a verdict is seen by theirs, and by filter's after it.
constexpr int32_t kPreparePriority = NF_IP_PRI_MANGLE - 10;
constexpr int32_t kAskPriority = NF_IP_PRI_MANGLE - 5;
// Right behind: no table of others can turn a refusal into anything else.
constexpr int32_t kNotifyPriority = NF_IP_PRI_MANGLE - 4;
constexpr int32_t kGuardPriority = NF_IP_PRI_MANGLE + 5;
constexpr int32_t kFinishPriority = NF_IP_PRI_MANGLE - 10;

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using TablePtr = std::unique_ptr<nftnl_table, Free<nftnl_table_free>>;
using ChainPtr = std::unique_ptr<nftnl_chain, Free<nftnl_chain_free>>;
using RulePtr = std::unique_ptr<nftnl_rule, Free<nftnl_rule_free>>;

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

void AddChain(TableTransaction& transaction, const TableChain& made) {
  ChainPtr chain(nftnl_chain_alloc());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTableName);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, made.name);
  if (made.hook) {
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, made.hook->number);
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, made.hook->priority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  transaction.Add(
      absl::StrCat("chain ", made.name), NFT_MSG_NEWCHAIN, NLM_F_CREATE,
      [&](nlmsghdr* message) { nftnl_chain_nlmsg_build_payload(message, chain.get()); });
}

void AddNotifyRules(uint32_t mark_mask, TableTransaction& transaction) {
  const auto rule = [mark_mask](Notification notification, const char* comment) {
    TableRule refused(kNotifyChain, comment);
    refused.LoadMark(NotifyBits(mark_mask)).IfEqual(NotifyMark(mark_mask, notification));
    return refused;
  };
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
  // Port unreachable, and a reset for what is not TCP.
  TableRule(kNotifyChain, "the decider refused it: port unreachable")
      .LoadMark(NotifyBits(mark_mask))
      .IfNotEqual(0)
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH)
      .AddTo(transaction);
}

// Without a name, of every chain.
void FlushChain(const char* name, TableTransaction& transaction) {
  RulePtr rule(nftnl_rule_alloc());
  nftnl_rule_set_u32(rule.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, kTableName);
  if (name != nullptr) nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, name);
  transaction.Add(name == nullptr ? "its rules" : absl::StrCat("rules of chain ", name),
                  NFT_MSG_DELRULE, 0,
                  [&](nlmsghdr* message) { nftnl_rule_nlmsg_build_payload(message, rule.get()); });
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

// The rules that differ from mode to mode.
void AddModeRules(const TableOptions& options, TableState state, QueueExpression queue,
                  TableTransaction& transaction) {
  TableRule(kAskChain, "what is exempt is not asked about").Jump(kExemptChain).AddTo(transaction);
  // Remembered verdicts go between prepare and ask.
  const bool open = options.fail_open || state.mode == TableMode::kShadow;
  const std::string comment = AskComment(options, state);
  TableRule(kAskChain, comment.c_str())
      .Count()
      .Queue({.first = options.first_queue, .count = options.queue_count, .bypass = open}, queue)
      .AddTo(transaction);
  if (open) return;
  TableRule(kGuardChain, "fail_mode closed: what no agent has let pass ends here")
      .LoadMark(DecidedBit(options.mark_mask))
      .IfEqual(0)
      .Count()
      .Drop()
      .AddTo(transaction);
}

void AddRules(const TableOptions& options, TableState state, QueueExpression queue,
              TableTransaction& transaction) {
  TableRule(kPrepareChain, "the mark bits of the agent are not for others to set")
      .LoadMark(~options.mark_mask)
      .StoreMark()
      .AddTo(transaction);
  if (options.track_connections) {
    TableRule(kPrepareChain,
              "connections are tracked, and fragments reassembled, as this rule looks")
        .LoadConnectionState()
        .IfEqual(0)
        .AddTo(transaction);
  }
  AddExemptions(options.exempt, DecidedBit(options.mark_mask), transaction);
  AddModeRules(options, state, queue, transaction);
  AddNotifyRules(options.mark_mask, transaction);
  TableRule(kFinishChain, "the mark bits of the agent are not for others to see")
      .LoadMark(~options.mark_mask)
      .StoreMark()
      .AddTo(transaction);
}

}  // namespace

std::vector<TableChain> TableChains(const TableOptions& options) {
  std::vector<TableChain> chains{
      {kPrepareChain, {{NF_INET_FORWARD, kPreparePriority}}},
      {kExemptChain, std::nullopt},
      {kAskChain, {{NF_INET_FORWARD, kAskPriority}}},
      {kNotifyChain, {{NF_INET_FORWARD, kNotifyPriority}}},
      {kFinishChain, {{NF_INET_POST_ROUTING, kFinishPriority}}},
  };
  if (!options.fail_open) chains.push_back({kGuardChain, {{NF_INET_FORWARD, kGuardPriority}}});
  return chains;
}

void AddTable(const TableOptions& options, TableState state, QueueExpression queue,
              TableTransaction& transaction) {
  // Deleting what is not there is an error, so it is made first; making what is there is none.
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, nullptr);
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0, nullptr);
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE,
              "made and restored by sluice-agent; sluice-agent --release removes it");

  for (const TableChain& chain : TableChains(options)) AddChain(transaction, chain);
  AddRules(options, state, queue, transaction);
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

void StopAsking(const TableOptions& options, TableTransaction& transaction) {
  FlushChain(kAskChain, transaction);
  if (!options.fail_open) FlushChain(kGuardChain, transaction);
}

void RefillTable(const TableOptions& options, TableState state, QueueExpression queue,
                 TableTransaction& transaction) {
  FlushChain(nullptr, transaction);
  AddRules(options, state, queue, transaction);
}

void DeleteTable(TableTransaction& transaction) {
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0, nullptr);
}

}  // namespace sluice::agent
