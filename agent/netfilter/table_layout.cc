#include "agent/netfilter/table_layout.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter_ipv4.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"

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
using CommentPtr = std::unique_ptr<nftnl_udata_buf, Free<nftnl_udata_buf_free>>;

// User data that `nft list` prints as a comment; the attribute types of tables, chains and rules
// agree on the number.
CommentPtr Comment(const char* text) {
  static_assert(static_cast<int>(NFTNL_UDATA_RULE_COMMENT) == NFTNL_UDATA_TABLE_COMMENT);
  CommentPtr comment(nftnl_udata_buf_alloc(NFTNL_UDATA_COMMENT_MAXLEN + 2));
  nftnl_udata_put_strz(comment.get(), NFTNL_UDATA_RULE_COMMENT, text);
  return comment;
}

void ChangeTable(TableTransaction& transaction, uint16_t type, uint16_t flags,
                 const char* comment) {
  TablePtr table(nftnl_table_alloc());
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, kTableName);
  if (comment != nullptr) {
    const CommentPtr text = Comment(comment);
    nftnl_table_set_data(table.get(), NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(text.get()),
                         nftnl_udata_buf_len(text.get()));
  }
  transaction.Add("", type, flags, [&](nlmsghdr* message) {
    nftnl_table_nlmsg_build_payload(message, table.get());
  });
}

void AddChain(TableTransaction& transaction, const char* name, uint32_t hook, int32_t priority) {
  ChainPtr chain(nftnl_chain_alloc());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTableName);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, name);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, hook);
  nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, priority);
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  transaction.Add(
      absl::StrCat("chain ", name), NFT_MSG_NEWCHAIN, NLM_F_CREATE,
      [&](nlmsghdr* message) { nftnl_chain_nlmsg_build_payload(message, chain.get()); });
}

// A rule under construction, at the end of its chain.
class Rule {
 public:
  Rule(const char* chain, const char* comment) : chain_(chain), rule_(nftnl_rule_alloc()) {
    nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, kTableName);
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, chain);
    const CommentPtr text = Comment(comment);
    nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(text.get()),
                        nftnl_udata_buf_len(text.get()));
  }

  // Register 1 = packet mark & mask.
  Rule& LoadMark(uint32_t mask) {
    nftnl_expr* load = Append("meta");
    nftnl_expr_set_u32(load, NFTNL_EXPR_META_KEY, NFT_META_MARK);
    nftnl_expr_set_u32(load, NFTNL_EXPR_META_DREG, NFT_REG_1);
    const uint32_t zero = 0;
    nftnl_expr* bits = Append("bitwise");
    nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
    nftnl_expr_set_u32(bits, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
    nftnl_expr_set(bits, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
    nftnl_expr_set(bits, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
    return *this;
  }

  // Packet mark = register 1.
  Rule& StoreMark() {
    nftnl_expr* store = Append("meta");
    nftnl_expr_set_u32(store, NFTNL_EXPR_META_KEY, NFT_META_MARK);
    nftnl_expr_set_u32(store, NFTNL_EXPR_META_SREG, NFT_REG_1);
    return *this;
  }

  // Goes on only if register 1 is `value`.
  Rule& IfEqual(uint32_t value) { return Compare(NFT_CMP_EQ, &value, sizeof(value)); }
  Rule& IfNotEqual(uint32_t value) { return Compare(NFT_CMP_NEQ, &value, sizeof(value)); }

  // Register 1 = state of the packet's connection.
  Rule& LoadConnectionState() {
    nftnl_expr* load = Append("ct");
    nftnl_expr_set_u32(load, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
    nftnl_expr_set_u32(load, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    return *this;
  }

  // Goes on only with packets of that IANA protocol.
  Rule& IfProtocol(uint8_t protocol) {
    nftnl_expr* load = Append("meta");
    nftnl_expr_set_u32(load, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
    nftnl_expr_set_u32(load, NFTNL_EXPR_META_DREG, NFT_REG_1);
    return Compare(NFT_CMP_EQ, &protocol, sizeof(protocol));
  }

  // Drops and tells the sender. `code` is an NFT_REJECT_ICMPX_*: of ICMP or ICMPv6 as the packet
  // is.
  Rule& Reject(nft_reject_types type, uint8_t code) {
    nftnl_expr* reject = Append("reject");
    nftnl_expr_set_u32(reject, NFTNL_EXPR_REJECT_TYPE, type);
    nftnl_expr_set_u8(reject, NFTNL_EXPR_REJECT_CODE, code);
    return *this;
  }

  Rule& Count() {
    Append("counter");
    return *this;
  }

  Rule& Drop() {
    nftnl_expr* verdict = Append("immediate");
    nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
    return *this;
  }

  Rule& Queue(const TableOptions& options, QueueExpression expression) {
    if (expression == QueueExpression::kNative) {
      nftnl_expr* queue = Append("queue");
      nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_NUM, options.first_queue);
      nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_TOTAL, options.queue_count);
      nftnl_expr_set_u16(queue, NFTNL_EXPR_QUEUE_FLAGS,
                         options.fail_open ? NFT_QUEUE_FLAG_BYPASS : 0);
      return *this;
    }
    nftnl_expr* target = Append("target");
    nftnl_expr_set_str(target, NFTNL_EXPR_TG_NAME, "NFQUEUE");
    nftnl_expr_set_u32(target, NFTNL_EXPR_TG_REV, 3);
    // The expression keeps and frees the pointer it is given. Targets' data come in multiples
    // of eight bytes.
    constexpr size_t kSize = (sizeof(xt_NFQ_info_v3) + 7) / 8 * 8;
    auto* info = static_cast<xt_NFQ_info_v3*>(calloc(1, kSize));
    if (info == nullptr) abort();
    info->queuenum = options.first_queue;
    info->queues_total = options.queue_count;
    info->flags = options.fail_open ? NFQ_FLAG_BYPASS : 0;
    nftnl_expr_set(target, NFTNL_EXPR_TG_INFO, info, kSize);
    return *this;
  }

  void AddTo(TableTransaction& transaction) const {
    transaction.Add(
        absl::StrCat("rule of chain ", chain_), NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
        [&](nlmsghdr* message) { nftnl_rule_nlmsg_build_payload(message, rule_.get()); });
  }

 private:
  Rule& Compare(nft_cmp_ops operation, const void* value, uint32_t size) {
    nftnl_expr* compare = Append("cmp");
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, operation);
    nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, value, size);
    return *this;
  }

  // Belongs to the rule.
  nftnl_expr* Append(const char* name) {
    nftnl_expr* expression = nftnl_expr_alloc(name);
    if (expression == nullptr) abort();  // No memory, or a name libnftnl never heard of.
    nftnl_rule_add_expr(rule_.get(), expression);
    return expression;
  }

  const char* chain_;
  RulePtr rule_;
};

void AddNotifyRules(uint32_t mark_mask, TableTransaction& transaction) {
  const auto rule = [mark_mask](Notification notification, const char* comment) {
    Rule refused(kNotifyChain, comment);
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
  Rule(kNotifyChain, "the decider refused it: port unreachable")
      .LoadMark(NotifyBits(mark_mask))
      .IfNotEqual(0)
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH)
      .AddTo(transaction);
}

void FlushChain(const char* name, TableTransaction& transaction) {
  RulePtr rule(nftnl_rule_alloc());
  nftnl_rule_set_u32(rule.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, kTableName);
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, name);
  transaction.Add(absl::StrCat("rules of chain ", name), NFT_MSG_DELRULE, 0,
                  [&](nlmsghdr* message) { nftnl_rule_nlmsg_build_payload(message, rule.get()); });
}

}  // namespace

void AddTable(const TableOptions& options, QueueExpression queue, TableTransaction& transaction) {
  // Deleting what is not there is an error, so it is made first; making what is there is none.
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, nullptr);
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0, nullptr);
  ChangeTable(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE,
              "made and restored by sluice-agent; sluice-agent --release removes it");

  AddChain(transaction, kPrepareChain, NF_INET_FORWARD, kPreparePriority);
  AddChain(transaction, kAskChain, NF_INET_FORWARD, kAskPriority);
  AddChain(transaction, kNotifyChain, NF_INET_FORWARD, kNotifyPriority);
  if (!options.fail_open) AddChain(transaction, kGuardChain, NF_INET_FORWARD, kGuardPriority);
  AddChain(transaction, kFinishChain, NF_INET_POST_ROUTING, kFinishPriority);

  Rule(kPrepareChain, "the mark bits of the agent are not for others to set")
      .LoadMark(~options.mark_mask)
      .StoreMark()
      .AddTo(transaction);
  if (options.track_connections) {
    Rule(kPrepareChain, "connections are tracked, and fragments reassembled, as this rule looks")
        .LoadConnectionState()
        .IfEqual(0)
        .AddTo(transaction);
  }
  // Remembered verdicts go between prepare and ask.
  Rule(kAskChain, options.fail_open ? "asks the decider; passes unasked if no agent listens"
                                    : "asks the decider; drops if no agent listens")
      .Count()
      .Queue(options, queue)
      .AddTo(transaction);
  AddNotifyRules(options.mark_mask, transaction);
  if (!options.fail_open) {
    Rule(kGuardChain, "fail_mode closed: what no agent has let pass ends here")
        .LoadMark(DecidedBit(options.mark_mask))
        .IfEqual(0)
        .Count()
        .Drop()
        .AddTo(transaction);
  }
  Rule(kFinishChain, "the mark bits of the agent are not for others to see")
      .LoadMark(~options.mark_mask)
      .StoreMark()
      .AddTo(transaction);
}

void StopAsking(const TableOptions& options, TableTransaction& transaction) {
  FlushChain(kAskChain, transaction);
  if (!options.fail_open) FlushChain(kGuardChain, transaction);
}

void DeleteTable(TableTransaction& transaction) {
  ChangeTable(transaction, NFT_MSG_DELTABLE, 0, nullptr);
}

}  // namespace sluice::agent
