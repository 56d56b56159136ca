// Tests on a real kernel's connection table.

#include "agent/netfilter/table/connection_marks.h"

#include <gtest/gtest.h>

#include <string>

#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

constexpr uint32_t kMask = 0x00ff0000;

class ConnectionMarksTest : public TableTestbed {
 protected:
  static void Connect(int port, uint32_t mark, const std::string& options = "") {
    Shell("conntrack -I -p tcp -s 192.0.2.1 -d 192.0.2.2 --sport " + std::to_string(port) +
          " --dport 80 --state ESTABLISHED -t 60 -m " + std::to_string(mark) + " " + options);
  }
  static size_t Listed(uint32_t mark, size_t limit = 0) {
    const auto entries = ListMarked(kMask, {mark}, limit);
    EXPECT_TRUE(entries.ok()) << entries.status();
    return entries.ok() ? entries->size() : 0;
  }
};

TEST_F(ConnectionMarksTest, SweepsAllMarksButOne) {
  const uint32_t first = ConnectionMark(kMask, 1);
  const uint32_t second = ConnectionMark(kMask, 2);
  Shell(
      "for port in $(seq 600); do conntrack -I -p tcp -s 192.0.2.1 -d 192.0.2.2 --sport $port "
      "--dport 80 --state ESTABLISHED -t 60 -m " +
      std::to_string(first | 0x5) + "; done");
  Connect(1001, second);
  Connect(1002, second, "-w 7");  // In a zone of its own.
  Connect(1003, ConnectionMark(kMask, 63) | 0x01000000, "-w 9");
  Connect(1004, AcceptMark(kMask, 1));  // Not ours, however it came there.
  EXPECT_EQ(Listed(first), 600u);
  EXPECT_EQ(Listed(first, 10), 10u);
  auto swept = SweepMarks(kMask, {second});
  ASSERT_TRUE(swept.ok()) << swept.status();
  EXPECT_EQ(*swept, 601u);
  EXPECT_EQ(Listed(first), 0u);
  EXPECT_EQ(Listed(second), 2u);
  const std::string left = Shell("conntrack -L 2>/dev/null");
  EXPECT_NE(left.find("sport=1003"), std::string::npos);
  EXPECT_EQ(Shell("conntrack -L -m 5 2>/dev/null | wc -l"), "600\n")
      << "what others have marked stays";
  EXPECT_NE(Shell("conntrack -L -m 5 2>/dev/null").find("sport=600 "), std::string::npos);
  EXPECT_NE(Shell("conntrack -L -m 16777216 2>/dev/null").find("sport=1003 "), std::string::npos);
  swept = SweepMarks(kMask, {});
  ASSERT_TRUE(swept.ok()) << swept.status();
  EXPECT_EQ(*swept, 2u);
  EXPECT_NE(Shell("conntrack -L -m " + std::to_string(AcceptMark(kMask, 1)) + " 2>/dev/null")
                .find("sport=1004 "),
            std::string::npos);
}

TEST_F(ConnectionMarksTest, ListsConnectionsByTheirFirstPacket) {
  const uint32_t mark = ConnectionMark(kMask, 0);
  Connect(40000, mark);
  const auto entries = ListMarked(kMask, {mark}, 0);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 1u);
  const RememberedEntry& entry = entries->front();
  EXPECT_TRUE(entry.accept);
  EXPECT_EQ(entry.scope, RememberedScope::kConnection);
  EXPECT_EQ(entry.source, std::string("\xc0\x00\x02\x01", 4));
  EXPECT_EQ(entry.destination, std::string("\xc0\x00\x02\x02", 4));
  EXPECT_EQ(entry.protocol, 6);
  EXPECT_EQ(entry.source_port, 40000);
  EXPECT_EQ(entry.destination_port, 80);
}

}  // namespace
}  // namespace sluice::agent
