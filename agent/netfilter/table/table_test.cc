#include "agent/netfilter/table/table.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/table_socket.h"
#include "agent/netfilter/nftables/table_transaction.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TableTest : public TableTestbed {
 protected:
  static std::unique_ptr<Table> Open(const TableOptions& options = {}) {
    auto table = Table::Open(options);
    EXPECT_TRUE(table.ok()) << table.status();
    return *std::move(table);
  }
  static std::string Listing() { return Shell("nft list table inet sluice 2>/dev/null"); }
  static TableCounters Counters(Table& table) {
    auto counters = table.ReadCounters();
    EXPECT_TRUE(counters.ok()) << counters.status();
    return counters.value_or(TableCounters{});
  }
  static void ExpectIntact(Table& table, bool intact) {
    auto answer = table.Intact();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(*answer, intact);
  }
};

TEST_F(TableTest, InstallsWhatAnOperatorCanRead) {
  auto table = Open({.first_queue = 4, .queue_count = 2});
  EXPECT_FALSE(table->expressions().has_value());
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_TRUE(table->expressions().has_value());
  ExpectIntact(*table, true);
  const std::string listing = Listing();
  for (const char* line : {
           "comment \"made and restored by sluice-agent; sluice-agent --release removes it\"",
           "chain prepare {",
           "type filter hook forward priority mangle - 5; policy accept;",
           "meta mark set meta mark & 0x70ffffff comment \"the mark bits of the agent are not for "
           "others to set\"",
           "chain ask {",
           "counter asked {",
           "packets 0 bytes 0",
           "counter name \"asked\" queue",
           "comment \"asks the decider; drops if no agent listens\"",
           "chain guard {",
           "type filter hook forward priority mangle - 4; policy drop;",
           "meta mark 0x01000000/8 meta mark set meta mark & 0x00ffffff accept",
           "jump remember",
           "meta mark & 0x81000000 == 0x80000000 goto notify",
           "chain multicast {",
           "type filter hook prerouting priority raw - 1; policy accept;",
           "ip daddr 224.0.0.0/4 counter name \"untracked\" notrack",
           "ip6 daddr ff00::/8 counter name \"untracked\" notrack",
           "fib daddr type broadcast counter name \"untracked\" notrack",
           "fib saddr oif missing counter name \"no_way_back\" drop",
           "meta mark 0x82000000/8 counter name \"told\" reject with icmpx host-unreachable",
           "meta mark 0x84000000/8 counter name \"told\" reject with icmpx admin-prohibited",
           "meta mark 0x88000000/8 meta l4proto tcp counter name \"told\" reject with tcp "
           "reset",
           "meta mark 0x86000000/8 counter name \"told\" reject comment",
           "meta mark 0x88000000/8 counter name \"told\" reject comment",
           "meta mark & 0x01000000 == 0x00000000 meta mark & 0x0e000000 != 0x00000000 counter "
           "name \"unheard_dropped\" drop comment \"nobody listened: dropped\"",
           "meta mark & 0x01000000 == 0x00000000 counter name \"guard_dropped\" drop comment "
           "\"fail_mode closed: what no agent has let pass ends here\"",
           "meta mark set meta mark & 0x00ffffff accept comment \"the mark bits of the agent are "
           "not for others to see\"",
       }) {
    EXPECT_THAT(listing, HasSubstr(line));
  }
  EXPECT_THAT(listing, HasSubstr("4-5"));
}

TEST_F(TableTest, HasConnectionsTracked) {
  for (const TableOptions& options :
       {TableOptions{.track_connections = true, .connection_mark_mask = 0},
        TableOptions{.track_connections = false, .connection_mark_mask = 0xff000000}}) {
    auto table = Open(options);
    ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
    EXPECT_THAT(Listing(), HasSubstr("ct state "));
    ExpectIntact(*table, true);
  }
  auto table = Open({.track_connections = false, .connection_mark_mask = 0});
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), Not(HasSubstr("ct state")));
}

TEST_F(TableTest, OpenModeHasNoGuard) {
  auto table = Open({.fail_open = true});
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), Not(HasSubstr("fail_mode closed")));
  EXPECT_THAT(Listing(), Not(HasSubstr("policy drop")));
  EXPECT_THAT(Listing(), HasSubstr("passes unasked if no agent listens"));
  ExpectIntact(*table, true);
}

TEST_F(TableTest, ShadowHasNoGuardAndSaysWhatItIs) {
  auto table = Open();
  ASSERT_EQ(table->Install(TableMode::kShadow), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("mode shadow: asks the decider, everything passes"));
  EXPECT_THAT(Listing(), Not(HasSubstr("fail_mode closed")));
  EXPECT_THAT(Listing(), Not(HasSubstr("policy drop")));
  ExpectIntact(*table, true);
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("fail_mode closed"));
  EXPECT_THAT(Listing(), HasSubstr("policy drop"));
  EXPECT_THAT(Listing(), Not(HasSubstr("mode shadow")));
  ExpectIntact(*table, true);
}

TEST_F(TableTest, AChangeOfModeRepairsWhatOthersDid) {
  const OlderKernel older;
  auto table = Open();
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  Shell("nft flush chain inet sluice prepare");
  ASSERT_EQ(table->Install(TableMode::kShadow), absl::OkStatus());
  ExpectIntact(*table, true);
  EXPECT_THAT(Listing(), HasSubstr("the mark bits of the agent are not for others to set"));
}

TEST_F(TableTest, FindsTheStateATableWasLeftIn) {
  const auto found = [] {
    auto state = Open()->Found();
    EXPECT_TRUE(state.ok()) << state.status();
    return state.value_or(std::nullopt);
  };
  EXPECT_EQ(found(), std::nullopt);
  for (const bool fail_open : {false, true}) {
    for (const TableMode mode : {TableMode::kOn, TableMode::kShadow}) {
      for (const TableRevert revert :
           {TableRevert::kNone, TableRevert::kToOff, TableRevert::kToOn, TableRevert::kToShadow}) {
        const TableState state(mode, revert);
        ASSERT_EQ(Open({.fail_open = fail_open})->Install(state), absl::OkStatus());
        EXPECT_EQ(found(), state);
      }
    }
  }
  Shell("nft flush chain inet sluice ask");
  EXPECT_EQ(found(), TableMode::kOn);
}

TEST_F(TableTest, UsesTheMarkBitsItIsGiven) {
  auto table = Open({.mark_mask = 0x00000ff0});
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("meta mark set meta mark & 0xfffff00f"));
  EXPECT_THAT(Listing(), HasSubstr("meta mark & 0x00000010 == 0x00000000"));
}

TEST_F(TableTest, RefusesImpossibleOptions) {
  EXPECT_EQ(Table::Open({.queue_count = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Table::Open({.first_queue = 65535, .queue_count = 2}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Table::Open({.mark_mask = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Table::Open({.first_queue = 65535}).ok());
}

TEST_F(TableTest, CheckChangesNothing) {
  auto table = Open();
  EXPECT_EQ(table->Check(), absl::OkStatus());
  EXPECT_EQ(Shell("nft list ruleset"), "");
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_EQ(table->Check(), absl::OkStatus());
  ExpectIntact(*table, true);
}

TEST_F(TableTest, StopsAskingBeforeItGoes) {
  auto table = Open({});
  EXPECT_EQ(table->StopAsking(), absl::OkStatus()) << "without a table";
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  ASSERT_EQ(table->StopAsking(), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("chain ask"));
  EXPECT_THAT(Listing(), Not(HasSubstr("asks the decider")));
  EXPECT_THAT(Listing(), Not(HasSubstr("fail_mode closed")));
  EXPECT_EQ(table->Remove(), absl::OkStatus());
}

TEST_F(TableTest, StopsAskingThoughSomebodyTookTheGuard) {
  const OlderKernel older;
  auto table = Open({});
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  Shell("nft flush chain inet sluice guard && nft delete chain inet sluice guard");
  ASSERT_EQ(table->StopAsking(), absl::OkStatus());
  EXPECT_THAT(Listing(), Not(HasSubstr("asks the decider")));
  EXPECT_EQ(table->Remove(), absl::OkStatus());
}

TEST_F(TableTest, RemoveIsWellWithoutATable) {
  auto table = Open();
  EXPECT_EQ(table->Remove(), absl::OkStatus());
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_EQ(table->Remove(), absl::OkStatus());
  EXPECT_EQ(Shell("nft list ruleset"), "");
  ExpectIntact(*table, false);
  EXPECT_EQ(table->Remove(), absl::OkStatus());
}

TEST_F(TableTest, OutlivesTheObjectAndIsTakenOver) {
  ASSERT_EQ(Open()->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("fail_mode closed"));
  auto successor = Open({.fail_open = true});
  ExpectIntact(*successor, false);
  ASSERT_EQ(successor->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), Not(HasSubstr("fail_mode closed")));
  ExpectIntact(*successor, true);
  successor.reset();
  EXPECT_EQ(Open()->Remove(), absl::OkStatus());
  EXPECT_EQ(Shell("nft list ruleset"), "");
}

TEST_F(TableTest, NobodyElseChangesIt) {
  auto table = Open();
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  ASSERT_EQ(table->AddSlot({.kind = {.scope = RememberedScope::kSource, .lifetime_s = 60},
                            .number = kFirstDropSlot}),
            absl::OkStatus());
  for (const char* change : {
           "delete table inet sluice",
           "flush table inet sluice",
           "flush chain inet sluice guard",
           "delete chain inet sluice guard",
           "insert rule inet sluice ask accept",
           "add chain inet sluice more",
           "chain inet sluice guard '{ policy accept; }'",
           "add table inet sluice '{ flags dormant; }'",
           "add set inet sluice more '{ type ipv4_addr; }'",
           "add element inet sluice sources4 '{ 192.0.2.1 . lo . 0 : 1 }'",
       }) {
    SCOPED_TRACE(change);
    EXPECT_THAT(Shell(absl::StrCat("! nft ", change)), HasSubstr("Operation not permitted"));
    ExpectIntact(*table, true);
  }
  // A firewall can still load its rules anew.
  Shell("nft -f - <<'END'\nflush ruleset\nadd table inet theirs\nEND");
  ExpectIntact(*table, true);
  const auto other = Open();
  EXPECT_THAT(std::string(other->Install(TableMode::kShadow).message()),
              HasSubstr(absl::StrCat("process ", getpid(), ", table_test, holds this table")));
  EXPECT_EQ(other->Remove().code(), absl::StatusCode::kPermissionDenied);
  ExpectIntact(*table, true);
}

TEST_F(TableTest, LeftBehindAnybodyMayTakeItOut) {
  ASSERT_EQ(Open()->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("policy drop"));
  Shell("nft delete table inet sluice");
  ASSERT_EQ(Open()->Install(TableMode::kOn), absl::OkStatus());
  Shell("nft flush ruleset");
  EXPECT_EQ(Shell("nft list ruleset"), "");
}

TEST_F(TableTest, ATableThatWasNotHeldIsReplaced) {
  {
    const OlderKernel older;
    ASSERT_EQ(Open()->Install(TableMode::kShadow), absl::OkStatus());
  }
  EXPECT_THAT(Listing(), Not(HasSubstr("owner")));
  auto table = Open();
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_THAT(Listing(), HasSubstr("flags owner"));
  ExpectIntact(*table, true);
}

TEST_F(TableTest, ForeignRulesStayByteForByte) {
  Shell(
      "nft -f - <<'END'\n"
      "table inet filter {\n"
      "  set hosts { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.9 }; }\n"
      "  chain forward {\n"
      "    type filter hook forward priority 0; policy drop;\n"
      "    ip saddr @hosts counter accept\n"
      "    meta mark 0x7 accept\n"
      "  }\n"
      "}\n"
      "table ip sluice {\n"
      "  chain mine {\n"
      "    type filter hook forward priority -155;\n"
      "    counter\n"
      "  }\n"
      "}\n"
      "END");
  const std::string before = Shell("nft -a list ruleset");
  auto table = Open();
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  EXPECT_EQ(table->Check(), absl::OkStatus());
  const std::string during = Shell("nft -a list ruleset");
  EXPECT_EQ(during.substr(0, before.size()), before);
  ASSERT_EQ(table->Remove(), absl::OkStatus());
  EXPECT_EQ(Shell("nft -a list ruleset"), before);
}

TEST_F(TableTest, NoticesWhatOthersDoToIt) {
  const OlderKernel older;
  const std::vector<std::string> changes = {
      "nft flush ruleset",
      "nft delete table inet sluice",
      "nft flush chain inet sluice guard",
      "nft flush chain inet sluice guard && nft delete chain inet sluice guard",
      "nft insert rule inet sluice ask accept",
      "nft add rule inet sluice ask accept",
      "nft add chain inet sluice more",
      "nft add set inet sluice more '{ type ipv4_addr; }'",
      "nft chain inet sluice guard '{ policy accept; }'",
      "nft chain inet sluice prepare '{ policy drop; }'",
      "nft add table inet sluice '{ flags dormant; }'",
      "nft flush chain inet sluice prepare && nft delete chain inet sluice prepare && "
      "nft add chain inet sluice prepare '{ type filter hook forward priority 300; }'",
      "nft flush chain inet sluice guard && nft add rule inet sluice guard "
      "'meta mark & 0x01000000 == 0 counter drop'",
      // Makes the same table again, with the same handles: only the table's own handle differs.
      "nft delete table inet sluice && nft add table inet sluice",
  };
  auto table = Open();
  ExpectIntact(*table, false);
  for (const std::string& change : changes) {
    SCOPED_TRACE(change);
    ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
    ExpectIntact(*table, true);
    Shell(change);
    ExpectIntact(*table, false);
  }
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  ExpectIntact(*table, true);
  Shell("nft add table inet other && nft add chain inet other sluice");
  ExpectIntact(*table, true);
}

TEST_F(TableTest, ATableMadeAnewIsNotOurs) {
  const OlderKernel older;
  auto table = Open();
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  auto other = Open();
  ASSERT_EQ(other->Install(TableMode::kOn), absl::OkStatus());
  ExpectIntact(*other, true);
  ExpectIntact(*table, false);
}

TEST_F(TableTest, WithoutPrivilegeSaysWhatIsNeeded) {
  int out[2];
  ASSERT_EQ(pipe(out), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string said;
    if (setgroups(0, nullptr) == 0 && setgid(65534) == 0 && setuid(65534) == 0) {
      auto table = Table::Open({});
      if (!table.ok()) {
        said = table.status().ToString();
      } else {
        for (const absl::Status& status :
             {(*table)->Install(TableMode::kOn), (*table)->Check(), (*table)->Remove()}) {
          said += std::string(status.message()) + "\n";
          if (!absl::IsPermissionDenied(status)) said += "wrong code\n";
          if (status.GetPayload(kErrnoPayload) != absl::Cord(std::to_string(EPERM))) {
            said += "wrong errno\n";
          }
        }
      }
    }
    if (write(out[1], said.data(), said.size()) < 0) _exit(2);
    _exit(0);
  }
  close(out[1]);
  std::string said;
  char chunk[1024];
  for (ssize_t size; (size = read(out[0], chunk, sizeof(chunk))) > 0;) said.append(chunk, size);
  close(out[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const std::string line =
      "nftables table inet sluice: Operation not permitted: needs CAP_NET_ADMIN over this network "
      "namespace\n";
  EXPECT_EQ(said, line + line + line);
}

TEST_F(TableTest, ARefusalLeavesWhatWasThere) {
  // A table that another socket holds; it goes with the socket.
  auto holder = TableSocket::Open();
  ASSERT_TRUE(holder.ok()) << holder.status();
  TableTransaction hold((*holder)->ReserveSequence(TableTransaction::kMaxMessages));
  hold.Add("", NFT_MSG_NEWTABLE, NLM_F_CREATE, [](nlmsghdr* message) {
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, kTableName);
    mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
  });
  ASSERT_EQ(hold.Commit(**holder, [](const nlmsghdr*) {}).error, 0);
  const std::string before = Shell("nft list ruleset");
  EXPECT_THAT(before, HasSubstr("owner"));

  auto table = Open();
  for (const absl::Status& status :
       {table->Install(TableMode::kOn), table->Check(), table->Remove()}) {
    EXPECT_EQ(
        status.message(),
        absl::StrCat("nftables table inet sluice: Operation not permitted: process ", getpid(),
                     ", table_test, holds this table as its own (flag owner): end "
                     "that program"));
  }
  EXPECT_EQ(Shell("nft list ruleset"), before);
  *holder = nullptr;
  ASSERT_EQ(table->Install(TableMode::kOn), absl::OkStatus());
  ExpectIntact(*table, true);
}

}  // namespace
}  // namespace sluice::agent
