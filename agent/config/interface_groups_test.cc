#include "agent/config/interface_groups.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

TEST(InterfaceGroupsTest, TheFirstGroupThatNamesItWins) {
  const InterfaceGroups groups(
      {{"inside", {"eth1", "wg*"}}, {"vpn", {"wg0", "tun*"}}, {"lab", {"eth1", "eth"}}});
  const struct {
    const char* interface;
    const char* group;
  } rows[] = {
      {"eth1", "inside"}, {"wg0", "inside"}, {"wg", "inside"}, {"tun12", "vpn"}, {"eth", "lab"},
      {"eth10", ""},      {"eth2", ""},      {"xwg0", ""},     {"", ""},         {"wG0", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(groups.GroupOf(row.interface), row.group) << row.interface;
}

TEST(InterfaceGroupsTest, AStarAloneIsEveryInterface) {
  const InterfaceGroups groups({{"inside", {"eth1"}}, {"outside", {"*"}}});
  EXPECT_EQ(groups.GroupOf("eth1"), "inside");
  EXPECT_EQ(groups.GroupOf("eth0"), "outside");
  EXPECT_EQ(groups.GroupOf(""), "");  // No interface: none is in a group.
}

TEST(InterfaceGroupsTest, NamesThatAreNotUtf8AreWrittenAsTheyAreShown) {
  const InterfaceGroups groups(
      {{"bar", {"caf\\xe9"}}, {"lab", {"l\\xe4b*"}}, {"utf8", {"caf\\xc3\\xa8", "b\\r"}}});
  EXPECT_EQ(groups.GroupOf("caf\\xe9"), "bar");
  EXPECT_EQ(groups.GroupOf("caf\\xe8"), "");
  EXPECT_EQ(groups.GroupOf("l\\xe4b0"), "lab");
  EXPECT_EQ(groups.GroupOf("cafè"), "utf8");
  EXPECT_EQ(groups.GroupOf("b\\x5cr"), "utf8");
}

TEST(InterfaceGroupsTest, WithoutGroups) { EXPECT_EQ(InterfaceGroups({}).GroupOf("eth0"), ""); }

TEST(IsInterfacePatternTest, TakesWhatTheKernelTakes) {
  for (const char* text : {"eth0", "wg*", "*", "br-12ab", "eth0.100", "a23456789012345",
                           "a23456789012345*", ".*", "\xc3\xa9", "\\xe9a2345678901234"}) {
    EXPECT_TRUE(IsInterfacePattern(text)) << text;
  }
  for (const char* text : {"", "eth 0", "e/0", "eth0:1", "*0", "e*0", "**", ".", "..",
                           "a234567890123456", "a234567890123456*", "e\n", "\\x20"}) {
    EXPECT_FALSE(IsInterfacePattern(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::agent
