#include "agent/netfilter/queue/links_map.h"

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>

#include <utility>
#include <vector>

namespace sluice::agent {
namespace {

// Messages that the kernel would never send must do no harm either.
TEST(ApplyLinkMessageTest, BadMessagesChangeNothing) {
  std::vector<char> buffer(512);
  auto* message = mnl_nlmsg_put_header(buffer.data());
  LinkMap links = {{5, {"d0", ARPHRD_ETHER, 1}}};
  const LinkMap before = links;

  message->nlmsg_type = RTM_DELLINK;  // Without a body.
  ApplyLinkMessage(message, links);
  EXPECT_EQ(links, before);

  auto* body = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
  body->ifi_family = AF_BRIDGE;
  body->ifi_index = 5;
  ApplyLinkMessage(message, links);
  EXPECT_EQ(links, before);

  body->ifi_family = AF_UNSPEC;
  message->nlmsg_type = RTM_NEWADDR;
  ApplyLinkMessage(message, links);
  EXPECT_EQ(links, before);

  message->nlmsg_type = RTM_NEWLINK;  // Without a name.
  mnl_attr_put_u8(message, IFLA_GROUP, 1);
  ApplyLinkMessage(message, links);
  EXPECT_EQ(links, before);

  mnl_attr_put(message, IFLA_IFNAME, 2, "xy");  // Not terminated.
  ApplyLinkMessage(message, links);
  EXPECT_EQ(links, before);

  message->nlmsg_type = RTM_DELLINK;
  ApplyLinkMessage(message, links);
  EXPECT_TRUE(links.empty());
}

// Protobuf's strings must be UTF-8, or a server could not read packets with the name in them.
TEST(ApplyLinkMessageTest, NamesThatAreNotUtf8AreEscapedAndStayDifferent) {
  LinkMap links;
  for (const auto& [index, name] : {std::pair(1, "caf\xe9"), {2, "caf\xe8"}, {3, "café"}}) {
    std::vector<char> buffer(512);
    auto* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_NEWLINK;
    auto* body = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    body->ifi_index = index;
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    ApplyLinkMessage(message, links);
  }
  EXPECT_EQ(links[1].name, "caf\\xe9");
  EXPECT_EQ(links[2].name, "caf\\xe8");
  EXPECT_EQ(links[3].name, "café");
}

TEST(ApplyLinkMessageTest, MessagesCutShortDoNoHarm) {
  std::vector<char> buffer(512);
  auto* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = RTM_NEWLINK;
  auto* body = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
  body->ifi_index = 5;
  mnl_attr_put_strz(message, IFLA_IFNAME, "gate0");
  mnl_attr_put_u32(message, IFLA_GROUP, 3);
  for (uint32_t length = sizeof(nlmsghdr); length <= message->nlmsg_len; ++length) {
    std::vector<char> copy(buffer.data(), buffer.data() + length);
    reinterpret_cast<nlmsghdr*>(copy.data())->nlmsg_len = length;
    LinkMap links;
    ApplyLinkMessage(reinterpret_cast<const nlmsghdr*>(copy.data()), links);
    if (length < message->nlmsg_len) continue;
    EXPECT_EQ(links, (LinkMap{{5, {"gate0", 0, 3}}}));
  }
}

}  // namespace
}  // namespace sluice::agent
