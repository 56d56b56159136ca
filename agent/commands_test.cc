// Each test is alone in a network namespace of its own; the mode is that of a real table there,
// what is remembered that of a fake one.

#include "agent/commands.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/netfilter/table/connection_marks.h"
#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

// Has the entries a test puts into it, until it is to forget them.
class FakeTable final : public RememberingTable {
 public:
  absl::Status Install(TableState) override { return status; }
  absl::Status Forget() override {
    if (status.ok()) entries.clear();
    return status;
  }
  absl::Status AddSlot(const RememberedSlot&) override { return status; }
  absl::Status StopAsking() override { return status; }
  absl::Status Remove() override { return status; }
  absl::StatusOr<std::vector<RememberedEntry>> ReadRemembered(size_t limit) override {
    if (!status.ok()) return status;
    std::vector<RememberedEntry> some = entries;
    if (limit != 0) some.resize(std::min(limit, some.size()));
    return some;
  }
  absl::StatusOr<size_t> CountRemembered() override { return entries.size(); }

  std::vector<RememberedEntry> entries;
  absl::Status status;  // Of every call.
};

class CommandsTest : public TableTestbed {
 protected:
  void SetUp() override {
    TableTestbed::SetUp();
    auto table = Table::Open({});
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    auto links = Links::Open();
    ASSERT_TRUE(links.ok()) << links.status();
    links_ = *std::move(links);
    rules_.emplace(table_.get(), TableOptions().connection_mark_mask, SweepMarks);
    rules_->Start({});
    mode_.emplace(table_.get(), &*rules_, std::vector<QueueLoop*>());
    remembered_.emplace(&fake_, 0, SweepMarks);
    remembered_->Start({});
    ASSERT_TRUE(remembered_->Install(TableMode::kOn).ok());
    targets_ = {.mode = &*mode_, .remembered = &*remembered_, .links = links_.get(), .stats = [] {
                  v1::GatewayStats stats;
                  stats.set_gateway("gw");
                  return stats;
                }};
  }
  // As where hook.manage is false.
  void LeaveRulesToTheOperator() {
    mode_.emplace(nullptr, nullptr, std::vector<QueueLoop*>());
    targets_.mode = &*mode_;
    targets_.remembered = nullptr;
  }

  // All replies of the answer.
  std::vector<v1::CommandReply> Replies(const v1::Command& command) const {
    const CommandAnswer answer = RunCommand(command, targets_);
    std::vector<v1::CommandReply> replies;
    for (bool last = false; !last;) last = answer(replies.emplace_back());
    return replies;
  }
  // The only one.
  v1::CommandReply Reply(const v1::Command& command) const {
    const std::vector<v1::CommandReply> replies = Replies(command);
    EXPECT_EQ(replies.size(), 1u);
    return replies[0];
  }
  static v1::Command SetMode(v1::Mode mode) {
    v1::Command command;
    command.mutable_set_mode()->set_mode(mode);
    return command;
  }
  static v1::Command List(uint32_t limit = 0) {
    v1::Command command;
    command.mutable_list_remembered()->set_limit(limit);
    return command;
  }
  static v1::Command Forget() {
    v1::Command command;
    command.mutable_forget_remembered();
    return command;
  }
  // While the thread has this capability no longer, its kernel refuses to change rules.
  static void SetNetAdmin(bool effective) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    ASSERT_EQ(syscall(SYS_capget, &header, data), 0);
    if (effective) {
      data[0].effective |= 1u << CAP_NET_ADMIN;
    } else {
      data[0].effective &= ~(1u << CAP_NET_ADMIN);
    }
    ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
  }

  std::unique_ptr<Table> table_;
  std::unique_ptr<Links> links_;
  FakeTable fake_;
  std::optional<RememberedVerdicts> rules_;
  std::optional<RememberedVerdicts> remembered_;
  std::optional<ModeSwitch> mode_;
  CommandTargets targets_{};
};

TEST_F(CommandsTest, SetsAndReadsTheMode) {
  v1::CommandReply reply = Reply(SetMode(v1::MODE_ON));
  ASSERT_TRUE(reply.has_set_mode()) << reply.DebugString();
  EXPECT_EQ(reply.set_mode().previous(), v1::MODE_OFF);
  EXPECT_EQ(reply.set_mode().current(), v1::MODE_ON);
  EXPECT_FALSE(reply.set_mode().has_reverts_in());

  v1::Command command = SetMode(v1::MODE_SHADOW);
  command.mutable_set_mode()->mutable_confirm_within()->set_seconds(3600);
  reply = Reply(command);
  EXPECT_EQ(reply.set_mode().previous(), v1::MODE_ON);
  EXPECT_EQ(reply.set_mode().current(), v1::MODE_SHADOW);
  EXPECT_GT(reply.set_mode().reverts_in().seconds(), 1800);
  EXPECT_LE(reply.set_mode().reverts_in().seconds(), 3600);

  reply = Reply(SetMode(v1::MODE_UNSPECIFIED));
  EXPECT_EQ(reply.set_mode().previous(), v1::MODE_SHADOW);
  EXPECT_EQ(reply.set_mode().current(), v1::MODE_SHADOW);
  EXPECT_TRUE(reply.set_mode().has_reverts_in());
}

TEST_F(CommandsTest, TimesOutOfRangeAreRefused) {
  for (const int64_t seconds : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{86401}, INT64_MAX}) {
    v1::Command command = SetMode(v1::MODE_ON);
    command.mutable_set_mode()->mutable_confirm_within()->set_seconds(seconds);
    const v1::CommandReply reply = Reply(command);
    EXPECT_EQ(reply.error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument))
        << seconds;
    EXPECT_EQ(reply.error().message().substr(0, 15), "confirm_within:");
    EXPECT_FALSE(reply.error().has_system());
  }
  EXPECT_EQ(mode_->state().mode, v1::MODE_OFF);
}

TEST_F(CommandsTest, AnErrorOfTheKernelIsTold) {
  SetNetAdmin(false);
  const v1::CommandReply reply = Reply(SetMode(v1::MODE_ON));
  SetNetAdmin(true);
  ASSERT_TRUE(reply.has_error()) << reply.DebugString();
  EXPECT_EQ(reply.error().code(), static_cast<int>(absl::StatusCode::kPermissionDenied));
  EXPECT_NE(reply.error().message(), "");
  EXPECT_EQ(reply.error().system().number(), EPERM);
  EXPECT_EQ(reply.error().system().name(), "EPERM");
  EXPECT_EQ(reply.error().system().text(), "Operation not permitted");
  EXPECT_EQ(mode_->state().mode, v1::MODE_OFF);
}

TEST_F(CommandsTest, ReadsTheCounters) {
  v1::Command command;
  command.mutable_get_stats();
  EXPECT_EQ(Reply(command).stats().gateway(), "gw");
}

TEST_F(CommandsTest, ListsInParts) {
  const std::vector<RememberedEntry> entries(2 * 4096 + 1);
  fake_.entries = entries;
  std::vector<v1::CommandReply> replies = Replies(List());
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[0].remembered().verdicts_size(), 4096);
  EXPECT_EQ(replies[1].remembered().verdicts_size(), 4096);
  EXPECT_EQ(replies[2].remembered().verdicts_size(), 1);

  EXPECT_EQ(Replies(List(4097)).size(), 2u);
  EXPECT_EQ(Reply(List(4096)).remembered().verdicts_size(), 4096);
  fake_.entries.clear();
  const v1::CommandReply none = Reply(List());
  EXPECT_TRUE(none.has_remembered());
  EXPECT_EQ(none.remembered().verdicts_size(), 0);
}

TEST_F(CommandsTest, ListsWhatItsScopeLooksAt) {
  const std::string one("\xc0\0\2\1", 4);
  const std::string other("\xc6\x33\x64\1", 4);
  const uint32_t lo = 1;
  ASSERT_EQ(links_->Snapshot()->at(lo).name, "lo");
  fake_.entries = {
      {.notice = Notice::kTcpReset,
       .scope = RememberedScope::kSource,
       .source = one,
       .destination = "",
       .protocol = 6,
       .input_ifindex = lo,
       .zone = 7,
       .expires_in_ms = 1500},
      {.accept = true,
       .scope = RememberedScope::kPeer,
       .source = one,
       .destination = other,
       .protocol = 17,
       .destination_port = 53,
       .input_ifindex = 4711,
       .output_ifindex = lo},
      {.accept = true,
       .scope = RememberedScope::kConnection,
       .source = one,
       .destination = other,
       .protocol = 6,
       .source_port = 1024,
       .destination_port = 443},
      {.scope = RememberedScope::kPeer,
       .source = one,
       .destination = other,
       .protocol = 1,
       .destination_port = 0x0301,
       .input_ifindex = lo},
      {.scope = RememberedScope::kPeer,
       .source = std::string(16, '\1'),
       .destination = std::string(16, '\2'),
       .protocol = 1},
  };
  const v1::CommandReply reply = Reply(List());
  ASSERT_EQ(reply.remembered().verdicts_size(), 5);
  const v1::RememberedVerdict& source = reply.remembered().verdicts(0);
  EXPECT_EQ(source.action(), v1::ACTION_DROP);
  EXPECT_EQ(source.notify(), v1::NOTIFY_TCP_RESET);
  EXPECT_EQ(source.scope(), v1::SCOPE_SOURCE);
  EXPECT_EQ(source.source(), one);
  EXPECT_EQ(source.protocol(), 0u);
  EXPECT_EQ(source.input_interface(), "lo");
  EXPECT_EQ(source.output_interface(), "");
  EXPECT_EQ(source.zone(), 7u);
  EXPECT_EQ(source.expires_in().seconds(), 1);
  EXPECT_EQ(source.expires_in().nanos(), 500'000'000);

  const v1::RememberedVerdict& peer = reply.remembered().verdicts(1);
  EXPECT_EQ(peer.action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(peer.scope(), v1::SCOPE_PEER);
  EXPECT_EQ(peer.destination(), other);
  EXPECT_EQ(peer.protocol(), 17u);
  EXPECT_EQ(peer.destination_port(), 53u);
  EXPECT_FALSE(peer.has_source_port());
  EXPECT_EQ(peer.input_ifindex(), 4711u);
  EXPECT_EQ(peer.input_interface(), "") << "it is gone";
  EXPECT_EQ(peer.output_interface(), "lo");

  const v1::RememberedVerdict& connection = reply.remembered().verdicts(2);
  EXPECT_EQ(connection.scope(), v1::SCOPE_CONNECTION);
  EXPECT_EQ(connection.source_port(), 1024u);
  EXPECT_EQ(connection.destination_port(), 443u);
  EXPECT_FALSE(connection.has_expires_in()) << "its tracking tells";

  const v1::RememberedVerdict& icmp = reply.remembered().verdicts(3);
  EXPECT_FALSE(icmp.has_destination_port());
  EXPECT_EQ(icmp.icmp_type(), 3u);
  EXPECT_EQ(icmp.icmp_code(), 1u);

  EXPECT_FALSE(reply.remembered().verdicts(4).has_icmp_type()) << "not ICMPv6's number";
}

TEST_F(CommandsTest, ForgetsAndSaysHowMuch) {
  fake_.entries.resize(3);
  EXPECT_EQ(Reply(Forget()).forget_remembered().forgotten(), 3u);
  EXPECT_TRUE(fake_.entries.empty());
}

TEST_F(CommandsTest, TellsWhatTheTableRefuses) {
  fake_.status = absl::UnavailableError("busy \xff");
  for (const v1::Command& command : {List(), Forget()}) {
    const v1::CommandReply reply = Reply(command);
    EXPECT_EQ(reply.error().code(), static_cast<int>(absl::StatusCode::kUnavailable));
    EXPECT_EQ(reply.error().message().substr(0, 5), "busy ");
    std::string bytes;
    EXPECT_TRUE(reply.SerializeToString(&bytes)) << "valid UTF-8";
    EXPECT_EQ(reply.error().message().find('\xff'), std::string::npos);
    EXPECT_FALSE(reply.error().has_system());
  }
}

TEST_F(CommandsTest, NothingIsRememberedWhereTheRulesAreTheOperators) {
  LeaveRulesToTheOperator();
  for (const v1::Command& command : {SetMode(v1::MODE_OFF), List(), Forget()}) {
    const v1::CommandReply reply = Reply(command);
    EXPECT_EQ(reply.error().code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(reply.error().message().substr(0, 20), "hook.manage is false");
  }
  EXPECT_EQ(Reply(SetMode(v1::MODE_UNSPECIFIED)).set_mode().current(), v1::MODE_ON);
}

TEST_F(CommandsTest, ACommandThatItDoesNotKnowIsUnimplemented) {
  const v1::CommandReply reply = Reply({});
  EXPECT_EQ(reply.error().code(), static_cast<int>(absl::StatusCode::kUnimplemented));
  EXPECT_NE(reply.error().message(), "");
  v1::Command command = SetMode(static_cast<v1::Mode>(99));
  EXPECT_EQ(Reply(command).error().code(), static_cast<int>(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace sluice::agent
