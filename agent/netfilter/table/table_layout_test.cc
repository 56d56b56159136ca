#include "agent/netfilter/table/table_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>

namespace sluice::agent {
namespace {

using ::testing::EndsWith;

// Calls `look` with each expression of the ask rule in the messages of `transaction`.
void ForEachAskExpression(const TableTransaction& transaction,
                          std::function<void(const std::string&, nftnl_expr*)> look) {
  int rest = static_cast<int>(transaction.bytes().size());
  for (auto* message = reinterpret_cast<const nlmsghdr*>(transaction.bytes().data());
       mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
    if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE)) continue;
    std::unique_ptr<nftnl_rule, decltype(&nftnl_rule_free)> rule(nftnl_rule_alloc(),
                                                                 nftnl_rule_free);
    ASSERT_EQ(nftnl_rule_nlmsg_parse(message, rule.get()), 0);
    if (std::string(nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN)) != kAskChain) continue;
    nftnl_expr_foreach(
        rule.get(),
        [](nftnl_expr* expression, void* data) {
          (*static_cast<decltype(look)*>(data))(nftnl_expr_get_str(expression, NFTNL_EXPR_NAME),
                                                expression);
          return 0;
        },
        &look);
  }
}

struct Queueing {
  TableOptions options;
  uint16_t number, total;
};

const Queueing kQueueings[] = {
    {{}, 0, 1},
    {{.first_queue = 65535}, 65535, 1},
    {{.first_queue = 10, .queue_count = 64, .fail_open = true}, 10, 64},
};

TEST(TableLayoutTest, NativeQueueSaysWhichQueuesAndToGoOnWhereNobodyListens) {
  for (const Queueing& row : kQueueings) {
    TableTransaction transaction(1);
    AddTable(row.options, TableMode::kOn, QueueExpression::kNative, TableHold::kPlain, transaction);
    std::string names;
    ForEachAskExpression(transaction, [&](const std::string& name, nftnl_expr* expression) {
      names += name + " ";
      if (name != "queue") return;
      EXPECT_EQ(nftnl_expr_get_u16(expression, NFTNL_EXPR_QUEUE_NUM), row.number);
      EXPECT_EQ(nftnl_expr_get_u16(expression, NFTNL_EXPR_QUEUE_TOTAL), row.total);
      EXPECT_EQ(nftnl_expr_get_u16(expression, NFTNL_EXPR_QUEUE_FLAGS), NFT_QUEUE_FLAG_BYPASS);
    });
    EXPECT_THAT(names, EndsWith(" objref queue "));
  }
}

TEST(TableLayoutTest, XtablesTargetSaysTheSame) {
  for (const Queueing& row : kQueueings) {
    TableTransaction transaction(1);
    AddTable(row.options, TableMode::kOn, QueueExpression::kXtables, TableHold::kPlain,
             transaction);
    std::string names;
    ForEachAskExpression(transaction, [&](const std::string& name, nftnl_expr* expression) {
      names += name + " ";
      if (name != "target") return;
      EXPECT_STREQ(nftnl_expr_get_str(expression, NFTNL_EXPR_TG_NAME), "NFQUEUE");
      EXPECT_EQ(nftnl_expr_get_u32(expression, NFTNL_EXPR_TG_REV), 3u);
      uint32_t size = 0;
      const void* data = nftnl_expr_get(expression, NFTNL_EXPR_TG_INFO, &size);
      ASSERT_EQ(size, 8u);
      xt_NFQ_info_v3 info;
      memcpy(&info, data, sizeof(info));
      EXPECT_EQ(info.queuenum, row.number);
      EXPECT_EQ(info.queues_total, row.total);
      EXPECT_EQ(info.flags, NFQ_FLAG_BYPASS);
    });
    EXPECT_THAT(names, EndsWith(" objref target "));
  }
}

TEST(TableLayoutTest, DoesWithoutFib) {
  for (const bool fib : {true, false}) {
    TableTransaction transaction(1);
    AddTable({}, TableMode::kOn, {QueueExpression::kNative, fib}, TableHold::kPlain, transaction);
    const std::string messages(transaction.bytes().data(), transaction.bytes().size());
    EXPECT_EQ(messages.find(std::string("fib\0", 4)) != std::string::npos, fib);
    EXPECT_NE(messages.find(std::string("notrack\0", 8)), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::agent
