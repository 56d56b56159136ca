#include "agent/netfilter/remembered/remembered_entries.h"

#include <endian.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <string>
#include <vector>

#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {
namespace {

constexpr uint32_t kMask = 0xff000000;
const std::vector<RememberedSlot> kSlots = {
    {{.notice = Notice::kTcpReset, .scope = RememberedScope::kConnection, .lifetime_s = 9}, 7}};

// A message about two elements, the second without a time.
std::vector<char> Message() {
  std::vector<char> buffer(1024);
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM;
  static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)))->nfgen_family =
      NFPROTO_INET;
  mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, "sources4");
  nlattr* list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const bool timed : {true, false}) {
    nlattr* element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    nlattr* key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
    mnl_attr_put(message, NFTA_DATA_VALUE, 4, "\xc0\x00\x02\x01");
    mnl_attr_nest_end(message, key);
    nlattr* data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
    const uint32_t value = DecidedBit(kMask);
    mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(value), &value);
    mnl_attr_nest_end(message, data);
    if (timed) mnl_attr_put_u64(message, NFTA_SET_ELEM_EXPIRATION, htobe64(1500));
    mnl_attr_nest_end(message, element);
  }
  mnl_attr_nest_end(message, list);
  buffer.resize(message->nlmsg_len);
  return buffer;
}

std::vector<SetElement> Elements(const std::vector<char>& message) {
  std::vector<SetElement> elements;
  ForEachElement(reinterpret_cast<const nlmsghdr*>(message.data()),
                 [&](const SetElement& element) { elements.push_back(element); });
  return elements;
}

TEST(RememberedEntriesTest, ReadsElements) {
  const auto elements = Elements(Message());
  ASSERT_EQ(elements.size(), 2u);
  EXPECT_EQ(elements[0].key, std::string("\xc0\x00\x02\x01", 4));
  EXPECT_EQ(elements[0].value, DecidedBit(kMask));
  EXPECT_EQ(elements[0].expires_in_ms, 1500u);
  EXPECT_EQ(elements[1].expires_in_ms, 0u);
}

TEST(RememberedEntriesTest, ReadsCounts) {
  std::vector<char> buffer(256);
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  EXPECT_EQ(CountIn(message), std::nullopt);
  message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET;
  mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg));
  EXPECT_EQ(CountIn(message), std::nullopt) << "kernels before 6.16";
  mnl_attr_put_u32(message, 20, htobe32(70'000));
  EXPECT_EQ(CountIn(message), 70'000u);
}

// Messages that are cut at every length, or have one byte changed.
TEST(RememberedEntriesTest, BrokenMessagesDoNoHarm) {
  const std::vector<char> message = Message();
  for (uint32_t length = sizeof(nlmsghdr); length < message.size(); ++length) {
    std::vector<char> copy(message.begin(), message.begin() + length);
    reinterpret_cast<nlmsghdr*>(copy.data())->nlmsg_len = length;
    EXPECT_LE(Elements(copy).size(), 2u);
  }
  for (size_t at = sizeof(nlmsghdr); at < message.size(); ++at) {
    for (const char value : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::vector<char> copy = message;
      copy[at] = value;
      EXPECT_LE(Elements(copy).size(), 2u);
    }
  }
}

TEST(RememberedEntriesTest, OnlyWhatTheTableEntersHasAMeaning) {
  for (const RememberedSet& set : kRememberedSets) {
    for (size_t size = 0; size <= 64; ++size) {
      for (const uint32_t value : {DecidedBit(kMask), DropMark(kMask, Notice::kTcpReset),
                                   DropMark(kMask, 7), DropMark(kMask, 63), 0u, ~0u}) {
        const auto entry =
            EntryOf(set, {.key = std::string(size, 'x'), .value = value}, kMask, kSlots);
        if (size != set.key_length() || value == 0 || value == ~0u) {
          EXPECT_FALSE(entry);
        } else if (value == DecidedBit(kMask)) {
          EXPECT_TRUE(entry && entry->accept);
        } else {
          const bool by_slot = set.scope == RememberedScope::kConnection;
          const uint32_t known = by_slot ? DropMark(kMask, 7) : DropMark(kMask, Notice::kTcpReset);
          ASSERT_EQ(entry.has_value(), value == known) << set.name << value;
          if (!entry) continue;
          EXPECT_FALSE(entry->accept);
          EXPECT_EQ(entry->notice, Notice::kTcpReset);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::agent
