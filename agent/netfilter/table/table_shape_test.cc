#include "agent/netfilter/table/table_shape.h"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <functional>
#include <vector>

#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_transaction.h"
#include "agent/netfilter/table/table_layout.h"

namespace sluice::agent {
namespace {

TableShape Shape() {
  TableShape shape = {.handle = 7, .flags = 0, .use = 2};
  shape.chains["ask"] = {.handle = 1,
                         .hook = 2,
                         .priority = -155,
                         .policy = 1,
                         .type = "filter",
                         .rules = {{.handle = 3, .expressions = {"objref", "queue"}}}};
  shape.counters["asked"] = 40;
  shape.chains["guard"] = {
      .handle = 2, .hook = 2, .priority = -145, .policy = 1, .type = "filter", .rules = {}};
  return shape;
}

TEST(TableShapeTest, AnyDifferenceButCountersIsOne) {
  EXPECT_TRUE(SameStructure(Shape(), Shape()));
  TableShape counted = Shape();
  counted.counters["asked"] = 41;
  EXPECT_TRUE(SameStructure(Shape(), counted));

  const std::vector<std::function<void(TableShape&)>> changes = {
      [](TableShape& shape) { shape.handle = 8; },
      [](TableShape& shape) { shape.flags = NFT_TABLE_F_DORMANT; },
      [](TableShape& shape) { shape.use = 3; },
      [](TableShape& shape) { shape.chains.erase("guard"); },
      [](TableShape& shape) { shape.chains["more"]; },
      [](TableShape& shape) { shape.chains["ask"].handle = 9; },
      [](TableShape& shape) { shape.chains["ask"].hook = 3; },
      [](TableShape& shape) { shape.chains["ask"].priority = 0; },
      [](TableShape& shape) { shape.chains["ask"].policy = 0; },
      [](TableShape& shape) { shape.chains["ask"].type = "nat"; },
      [](TableShape& shape) { shape.chains["ask"].rules.clear(); },
      [](TableShape& shape) { shape.chains["ask"].rules.push_back({}); },
      [](TableShape& shape) { shape.chains["ask"].rules[0].handle = 4; },
      [](TableShape& shape) { shape.chains["ask"].rules[0].expressions.pop_back(); },
      [](TableShape& shape) { shape.chains["ask"].rules[0].comment = "more"; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    TableShape changed = Shape();
    changes[i](changed);
    EXPECT_FALSE(SameStructure(Shape(), changed)) << "change " << i;
    EXPECT_FALSE(SameStructure(changed, Shape())) << "change " << i;
  }
}

// The messages that make the table, taken as notifications.
TEST(TableShapeTest, ReadsMessages) {
  TableTransaction transaction(1);
  AddTable({}, TableMode::kOn, QueueExpression::kXtables, TableHold::kPlain, transaction);
  TableShape shape;
  int rest = static_cast<int>(transaction.bytes().size());
  for (auto* message = reinterpret_cast<const nlmsghdr*>(transaction.bytes().data());
       mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
    AddToShape(message, shape);
  }
  ASSERT_EQ(shape.chains.size(), 11u);
  EXPECT_EQ(shape.chains["guard"].priority, -154);
  EXPECT_EQ(shape.chains["guard"].type, "filter");
  ASSERT_EQ(shape.chains["guard"].rules.size(), 6u);
  EXPECT_EQ(shape.chains["guard"].rules[4].expressions,
            (std::vector<std::string>{"meta", "bitwise", "cmp", "objref", "immediate"}));
  EXPECT_EQ(shape.chains["guard"].rules[4].comment,
            "fail_mode closed: what no agent has let pass ends here");
  EXPECT_EQ(shape.chains["exempt"].type, "");
  EXPECT_EQ(shape.counters.size(), kTableCounters);
  EXPECT_EQ(shape.counters.count("guard_dropped"), 1u);
}

// Every message, cut at every length, and with each byte changed.
TEST(TableShapeTest, BrokenMessagesDoNoHarm) {
  TableTransaction transaction(1);
  AddTable({}, TableMode::kOn, QueueExpression::kXtables, TableHold::kPlain, transaction);
  int rest = static_cast<int>(transaction.bytes().size());
  for (auto* message = reinterpret_cast<const nlmsghdr*>(transaction.bytes().data());
       mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
    const auto* bytes = reinterpret_cast<const char*>(message);
    for (uint32_t length = sizeof(nlmsghdr); length < message->nlmsg_len; ++length) {
      std::vector<char> copy(bytes, bytes + length);  // On the heap, where ASan sees its end.
      reinterpret_cast<nlmsghdr*>(copy.data())->nlmsg_len = length;
      TableShape shape;
      AddToShape(reinterpret_cast<const nlmsghdr*>(copy.data()), shape);
    }
    for (uint32_t at = sizeof(nlmsghdr); at < message->nlmsg_len; ++at) {
      for (char value : {'\x00', '\x01', '\x7f', '\xff'}) {
        std::vector<char> copy(bytes, bytes + message->nlmsg_len);
        copy[at] = value;
        TableShape shape;
        AddToShape(reinterpret_cast<const nlmsghdr*>(copy.data()), shape);
      }
    }
  }
}

TEST(TableShapeTest, IgnoresOthers) {
  std::vector<char> buffer(256);
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  TableShape shape;
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE;
  AddToShape(message, shape);  // Without a body.
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, kTableName);
  mnl_attr_put_u32(message, NFTA_TABLE_USE, ~0u);
  header->nfgen_family = NFPROTO_IPV4;
  AddToShape(message, shape);
  header->nfgen_family = NFPROTO_INET;
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFT_MSG_NEWTABLE;
  AddToShape(message, shape);
  EXPECT_EQ(shape.use, 0u);
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE;
  AddToShape(message, shape);
  EXPECT_EQ(shape.use, ~0u);
}

}  // namespace
}  // namespace sluice::agent
