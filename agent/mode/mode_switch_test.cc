// The switch with a real table; its queues are tested with the whole agent.

#include "agent/mode/mode_switch.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "agent/netfilter/table/connection_marks.h"
#include "agent/netfilter/table/table_monitor.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

constexpr int64_t kHour = int64_t{3600} * 1'000'000'000;
constexpr int64_t kSoon = 20'000'000;

class ModeSwitchTest : public TableTestbed {
 protected:
  void SetUp() override {
    TableTestbed::SetUp();
    auto table = Table::Open({});
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    auto monitor = TableMonitor::Open();
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
    remembered_.emplace(table_.get(), TableOptions().connection_mark_mask, SweepMarks);
    remembered_->Start({});
    mode_.emplace(table_.get(), &*remembered_, std::vector<QueueLoop*>());
  }

  ModeSwitch::Change Set(v1::Mode mode, std::optional<int64_t> confirm_within = {}) {
    const auto change = mode_->Set(mode, confirm_within);
    EXPECT_TRUE(change.ok()) << change.status();
    return change.value_or(ModeSwitch::Change{});
  }
  // How the rules stand.
  std::optional<TableState> Rules() {
    const auto found = table_->Found();
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(std::nullopt);
  }
  // Without this capability, the kernel refuses to let the thread change rules.
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
  // Waits until everything was forgotten so many times, looking again when rules change.
  void AwaitForgotten(uint64_t times) {
    while (remembered_->Stats({}).forgotten() < times) {
      pollfd fd{monitor_->fd(), POLLIN, 0};
      ASSERT_EQ(poll(&fd, 1, 30'000), 1);
      monitor_->ChangedByOthers(table_->port_id());
    }
  }
  // Waits until the mode is this one, looking again when the kernel tells of a change of rules.
  void Await(v1::Mode mode) {
    while (mode_->state().mode != mode) {
      pollfd fd{monitor_->fd(), POLLIN, 0};
      ASSERT_EQ(poll(&fd, 1, 10'000), 1);
      monitor_->ChangedByOthers(table_->port_id());
    }
  }

  std::unique_ptr<Table> table_;
  std::unique_ptr<TableMonitor> monitor_;
  std::optional<RememberedVerdicts> remembered_;
  std::optional<ModeSwitch> mode_;
};

TEST_F(ModeSwitchTest, GoesFromEveryModeToEveryOther) {
  const v1::Mode modes[] = {v1::MODE_OFF, v1::MODE_ON, v1::MODE_SHADOW};
  v1::Mode before = v1::MODE_OFF;
  for (const v1::Mode first : modes) {
    for (const v1::Mode second : modes) {
      for (const v1::Mode mode : {first, second}) {
        const ModeSwitch::Change change = Set(mode);
        EXPECT_EQ(change.previous, before);
        EXPECT_EQ(change.current.mode, mode);
        EXPECT_EQ(change.current.reverts_in_ns, std::nullopt);
        EXPECT_EQ(mode_->state().mode, mode);
        EXPECT_EQ(Rules(), mode == v1::MODE_OFF  ? std::nullopt
                           : mode == v1::MODE_ON ? std::optional<TableState>(TableMode::kOn)
                                                 : std::optional<TableState>(TableMode::kShadow));
        before = mode;
      }
    }
  }
}

TEST_F(ModeSwitchTest, RefusesWhatMakesNoSense) {
  for (const int64_t within : {int64_t{0}, int64_t{-1}, 24 * kHour + 1}) {
    EXPECT_EQ(mode_->Set(v1::MODE_ON, within).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(mode_->Set(v1::MODE_UNSPECIFIED, kHour).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(mode_->Set(static_cast<v1::Mode>(99)).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(mode_->state().mode, v1::MODE_OFF);
  Set(v1::MODE_ON, 24 * kHour);
}

TEST_F(ModeSwitchTest, WhatARefusedChangeLeavesRememberedIsForgottenYet) {
  remembered_->PolicyIs("1", "");
  Set(v1::MODE_ON);
  SetNetAdmin(false);
  EXPECT_FALSE(mode_->Set(v1::MODE_OFF).ok());
  SetNetAdmin(true);
  EXPECT_EQ(mode_->state().mode, v1::MODE_ON);
  remembered_->PolicyIs("2", "");
  AwaitForgotten(1);

  SetNetAdmin(false);
  EXPECT_FALSE(mode_->Set(v1::MODE_SHADOW).ok());
  SetNetAdmin(true);
  AwaitForgotten(2);
  EXPECT_EQ(Rules(), TableMode::kOn);

  SetNetAdmin(false);
  EXPECT_FALSE(remembered_->ForgetAll().ok());
  SetNetAdmin(true);
  AwaitForgotten(3);
}

TEST_F(ModeSwitchTest, RevertsWhatNobodyConfirms) {
  Set(v1::MODE_SHADOW);
  Set(v1::MODE_ON, kSoon);
  Await(v1::MODE_SHADOW);
  EXPECT_EQ(mode_->state().reverts_in_ns, std::nullopt);
  EXPECT_EQ(Rules(), TableMode::kShadow);
}

TEST_F(ModeSwitchTest, ReadingDoesNotConfirmAndSettingDoes) {
  Set(v1::MODE_ON, kHour);
  const ModeSwitch::Change read = Set(v1::MODE_UNSPECIFIED);
  EXPECT_EQ(read.current.mode, v1::MODE_ON);
  EXPECT_GT(read.current.reverts_in_ns, kHour / 2);
  EXPECT_LE(read.current.reverts_in_ns, kHour);
  EXPECT_EQ(Set(v1::MODE_ON).current.reverts_in_ns, std::nullopt);
  EXPECT_EQ(mode_->RevertUnconfirmed(), absl::OkStatus());
  EXPECT_EQ(mode_->state().mode, v1::MODE_ON);
}

TEST_F(ModeSwitchTest, AShorterTimeWakesTheClock) {
  Set(v1::MODE_ON, kHour);
  Set(v1::MODE_ON, kSoon);
  Await(v1::MODE_OFF);
  EXPECT_EQ(Rules(), std::nullopt);
}

TEST_F(ModeSwitchTest, RevertsAtOnceWhenNobodyWouldKeepTheTime) {
  Set(v1::MODE_ON, kHour);
  EXPECT_EQ(mode_->RevertUnconfirmed(), absl::OkStatus());
  EXPECT_EQ(mode_->state().mode, v1::MODE_OFF);
  EXPECT_EQ(Rules(), std::nullopt);
}

TEST_F(ModeSwitchTest, TheTableSaysWhatIsNotConfirmed) {
  const OlderKernel older;
  Set(v1::MODE_ON, kHour);
  EXPECT_EQ(Rules(), TableState(TableMode::kOn, TableRevert::kToOff));
  Set(v1::MODE_SHADOW, kHour);
  EXPECT_EQ(Rules(), TableState(TableMode::kShadow, TableRevert::kToOff));
  Set(v1::MODE_SHADOW);
  EXPECT_EQ(Rules(), TableState(TableMode::kShadow));
  Set(v1::MODE_ON, kHour);
  EXPECT_EQ(Rules(), TableState(TableMode::kOn, TableRevert::kToShadow));
  Shell("nft flush ruleset");
  ASSERT_TRUE(mode_->Restore().value_or(false));
  EXPECT_EQ(Rules(), TableState(TableMode::kOn, TableRevert::kToShadow));
}

TEST_F(ModeSwitchTest, AdoptsWhatWasConfirmedAndNothingElse) {
  const struct {
    TableState left;
    v1::Mode mode;
  } rows[] = {
      {TableMode::kOn, v1::MODE_ON},
      {TableMode::kShadow, v1::MODE_SHADOW},
      {{TableMode::kOn, TableRevert::kToOff}, v1::MODE_OFF},
      {{TableMode::kOn, TableRevert::kToShadow}, v1::MODE_SHADOW},
      {{TableMode::kShadow, TableRevert::kToOn}, v1::MODE_ON},
  };
  for (const auto& row : rows) {
    ASSERT_EQ(table_->Install(row.left), absl::OkStatus());
    remembered_.emplace(table_.get(), TableOptions().connection_mark_mask, SweepMarks);
    remembered_->Start({});
    mode_.emplace(table_.get(), &*remembered_, std::vector<QueueLoop*>());
    ASSERT_EQ(mode_->Adopt(*Rules()), absl::OkStatus());
    EXPECT_EQ(mode_->state().mode, row.mode);
    EXPECT_EQ(mode_->state().reverts_in_ns, std::nullopt);
    EXPECT_EQ(Rules().has_value(), row.mode != v1::MODE_OFF);
  }
}

TEST_F(ModeSwitchTest, RestoresTheRulesOfTheMode) {
  const OlderKernel older;
  for (const v1::Mode mode : {v1::MODE_ON, v1::MODE_SHADOW}) {
    Set(mode);
    Shell("nft flush ruleset");
    const auto restored = mode_->Restore();
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_TRUE(*restored);
    EXPECT_EQ(Rules(), mode == v1::MODE_ON ? TableMode::kOn : TableMode::kShadow);
    EXPECT_FALSE(*mode_->Restore());
  }
}

TEST_F(ModeSwitchTest, WithoutATableTheModeCannotBeSet) {
  ModeSwitch by_hand(nullptr, nullptr, {});
  EXPECT_EQ(by_hand.state().mode, v1::MODE_ON);
  EXPECT_EQ(by_hand.Set(v1::MODE_OFF).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace sluice::agent
