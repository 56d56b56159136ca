#include "server/policies/policy_history.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace sluice::server {
namespace {

PolicyRecord Next(const PolicyHistory& history, bool confirmed = true) {
  PolicyRecord record;
  record.version = history.next();
  record.text = PolicyOf("# " + std::to_string(record.version) + "\ndefault accept;", "a file");
  record.confirmed = confirmed;
  return record;
}

// Each test runs in memory and on disk.
class PolicyHistoryTest : public testing::TestWithParam<bool> {
 protected:
  PolicyHistoryTest() {
    std::string made = testing::TempDir() + "/history_XXXXXX";
    folder_ = mkdtemp(made.data());
    Open();
  }
  ~PolicyHistoryTest() override { std::filesystem::remove_all(folder_); }

  void Open() {
    history_.reset();
    history_ = std::make_unique<PolicyHistory>(GetParam() ? PolicyArchive::Open(folder_).value()
                                                          : nullptr);
  }

  size_t Files() const {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      files += entry.path().filename() != "lock";
    }
    return files;
  }

  std::string folder_;
  std::unique_ptr<PolicyHistory> history_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, PolicyHistoryTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "OnDisk" : "InMemory"; });

TEST_P(PolicyHistoryTest, BeginsWithVersionZero) {
  EXPECT_EQ(history_->next(), 1u);
  EXPECT_EQ(history_->List(10).size(), 1u);
  EXPECT_EQ(history_->Get(0)->text.text(), "default reject;\n");
  EXPECT_EQ(history_->Get(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(history_->ConfirmedBefore(0).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(PolicyHistoryTest, KeepsTheLastHundred) {
  for (int i = 0; i < 105; ++i) ASSERT_TRUE(history_->Add(Next(*history_), {}, 3).ok());
  const auto list = history_->List(1000);
  ASSERT_EQ(list.size(), PolicyHistory::kKept + 1);
  EXPECT_EQ(list.front().version, 105u);
  EXPECT_EQ(list.front().text.text(), "");
  EXPECT_EQ(list.front().text.source(), "a file");
  EXPECT_EQ(list.back().version, 0u);
  EXPECT_EQ(history_->List(2).size(), 2u);
  EXPECT_FALSE(history_->Get(2).ok());
  EXPECT_TRUE(history_->Get(3).ok()) << "the one in force";
  EXPECT_FALSE(history_->Get(6).ok());
  EXPECT_EQ(history_->Get(7)->text.text(), "# 7\ndefault accept;");
  EXPECT_EQ(history_->ConfirmedBefore(7)->version, 3u);
  EXPECT_EQ(Files(), GetParam() ? PolicyHistory::kKept : 0);
}

TEST_P(PolicyHistoryTest, KeepsTheNewestConfirmedOneHoweverOld) {
  ASSERT_TRUE(history_->Add(Next(*history_), {}, 0).ok());
  for (int i = 0; i < 150; ++i) {
    ASSERT_TRUE(history_->Add(Next(*history_, false), {}, history_->next() - 1).ok());
  }
  EXPECT_TRUE(history_->Get(1)->confirmed);
  EXPECT_EQ(history_->ConfirmedBefore(151)->version, 1u);
  EXPECT_FALSE(history_->Get(2).ok());
  EXPECT_FALSE(history_->Get(151)->confirmed);
  ASSERT_TRUE(history_->Confirm(151).ok());
  EXPECT_TRUE(history_->Get(151)->confirmed);
  ASSERT_TRUE(history_->Add(Next(*history_), {}, 151).ok());
  EXPECT_FALSE(history_->Get(1).ok());
}

TEST_P(PolicyHistoryTest, WhatIsOnDiskOutlivesIt) {
  ASSERT_TRUE(history_->Add(Next(*history_), {}, 0).ok());
  ASSERT_TRUE(history_->Add(Next(*history_, false), {}, 1).ok());
  Open();
  EXPECT_EQ(history_->next(), GetParam() ? 3u : 1u);
  EXPECT_EQ(history_->List(10).size(), GetParam() ? 3u : 1u);
  if (!GetParam()) return;
  EXPECT_FALSE(history_->List(1).front().confirmed);
  EXPECT_EQ(history_->Get(2)->text.text(), "# 2\ndefault accept;");
}

TEST_P(PolicyHistoryTest, LargeTextsInMemoryAreFewer) {
  const std::string large(PolicyHistory::kMostBytes / 4, '#');
  for (int i = 0; i < 6; ++i) {
    PolicyRecord record = Next(*history_);
    record.text.set_text(large);
    ASSERT_TRUE(history_->Add(record, {}, record.version).ok());
  }
  EXPECT_EQ(history_->List(1000).size(), 1u + (GetParam() ? 6 : 3));
}

}  // namespace
}  // namespace sluice::server
