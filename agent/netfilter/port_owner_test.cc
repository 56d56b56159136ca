#include "agent/netfilter/port_owner.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sluice::agent {
namespace {

TEST(FindPortInodeTest, ReadsTheListing) {
  constexpr char kListing[] =
      "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
      "0000000000000000 0   4242       00000000 0        0        0     2        0        111\n"
      "0000000000000000 12  4242       00000000 0        0        0     2        0        222\n"
      "0000000000000000 12  3968299211 00000000 0        0        0     2        0        333\n"
      "torn line 12\n";
  EXPECT_EQ(FindPortInode(kListing, 4242), 222u);
  EXPECT_EQ(FindPortInode(kListing, 3968299211), 333u);
  EXPECT_EQ(FindPortInode(kListing, 1), std::nullopt);
  EXPECT_EQ(FindPortInode("", 1), std::nullopt);
}

TEST(FindPortOwnerTest, FindsThisProcess) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  ASSERT_GE(fd, 0);
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto owner = FindPortOwner(address.nl_pid);
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->pid, getpid());
  EXPECT_EQ(owner->name, "port_owner_test");
  close(fd);
  EXPECT_FALSE(FindPortOwner(address.nl_pid));
}

}  // namespace
}  // namespace sluice::agent
