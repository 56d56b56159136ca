#include "server/control/policy_archive.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace sluice::server {
namespace {

class PolicyArchiveTest : public testing::Test {
 protected:
  PolicyArchiveTest() {
    std::string made = testing::TempDir() + "/archive_XXXXXX";
    top_ = mkdtemp(made.data());
    folder_ = top_ + "/state/policies";
    archive_ = PolicyArchive::Open(folder_).value();
  }
  ~PolicyArchiveTest() override { std::filesystem::remove_all(top_); }

  void Put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }

  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  static PolicyRecord Record(uint64_t version, const std::string& text = "default accept;") {
    PolicyRecord record;
    record.version = version;
    record.text = PolicyOf(text, "a file");
    return record;
  }

  std::string top_;
  std::string folder_;
  std::unique_ptr<PolicyArchive> archive_;
};

TEST_F(PolicyArchiveTest, KeepsWhatIsWritten) {
  ASSERT_TRUE(archive_->Write(Record(2)).ok());
  ASSERT_TRUE(archive_->Write(Record(1)).ok());
  ASSERT_TRUE(archive_->Write(Record(1, "default reject;")).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"lock", "policy-000001", "policy-000002"}));
  archive_.reset();
  archive_ = PolicyArchive::Open(folder_).value();
  const auto contents = archive_->Load();
  ASSERT_EQ(contents.records.size(), 2u);
  EXPECT_EQ(contents.records[0].version, 1u);
  EXPECT_EQ(contents.records[0].text.source(), "a file");
  EXPECT_EQ(contents.records[0].text.text(), "");
  EXPECT_EQ(contents.records[1].version, 2u);
  EXPECT_EQ(contents.highest, 2u);
  EXPECT_TRUE(contents.remarks.empty());
  EXPECT_EQ(archive_->Read(1)->text.text(), "default reject;");
  EXPECT_TRUE(archive_->Remove(1).ok());
  EXPECT_TRUE(archive_->Remove(1).ok());
  EXPECT_EQ(archive_->Read(1).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PolicyArchiveTest, ReportsWhatIsNotItsOwnAndLeavesItAlone) {
  ASSERT_TRUE(archive_->Write(Record(3)).ok());
  Put("notes", "mine");
  Put("policy-7", "of no version: too few digits");
  Put("policy-000009", "sluice policy, format 1\nversion: 9\n");
  std::filesystem::copy(folder_ + "/policy-000003", folder_ + "/policy-000004");
  std::filesystem::create_directory(folder_ + "/policy-000005");
  ASSERT_EQ(mkfifo((folder_ + "/policy-000006").c_str(), 0600), 0);
  std::filesystem::create_symlink("policy-000003", folder_ + "/policy-000008");
  Put("policy-000003.new", "half");
  const auto contents = archive_->Load();
  ASSERT_EQ(contents.records.size(), 1u);
  EXPECT_EQ(contents.records[0].version, 3u);
  EXPECT_EQ(contents.highest, 9u);
  EXPECT_EQ(contents.remarks.size(), 7u);
  EXPECT_EQ(Names(), (std::set<std::string>{"lock", "notes", "policy-000003", "policy-000004",
                                            "policy-000005", "policy-000006", "policy-000008",
                                            "policy-000009", "policy-7"}));
}

TEST_F(PolicyArchiveTest, BelongsToOneServer) {
  const auto second = PolicyArchive::Open(folder_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(second.status().message().find("in use by another sluice-server, process " +
                                           std::to_string(getpid())),
            absl::string_view::npos)
      << second.status();
  archive_.reset();
  EXPECT_TRUE(PolicyArchive::Open(folder_).ok());
}

TEST_F(PolicyArchiveTest, SaysWhatIsWrongWithTheFolder) {
  Put("file", "");
  EXPECT_FALSE(PolicyArchive::Open(folder_ + "/file").ok());
  EXPECT_FALSE(PolicyArchive::Open(folder_ + "/file/below").ok());
  EXPECT_FALSE(PolicyArchive::Open("").ok());
}

TEST_F(PolicyArchiveTest, WhatCannotBeWrittenLeavesWhatWasThere) {
  ASSERT_TRUE(archive_->Write(Record(1)).ok());
  std::filesystem::create_directories(folder_ + "/policy-000001.new");
  const absl::Status status = archive_->Write(Record(1, "default reject;"));
  EXPECT_NE(status.message().find("policy 1 cannot be kept in " + folder_), absl::string_view::npos)
      << status;
  EXPECT_EQ(archive_->Read(1)->text.text(), "default accept;");
  // Linux's disk that is always full.
  std::filesystem::remove(folder_ + "/policy-000001.new");
  std::filesystem::create_symlink("/dev/full", folder_ + "/policy-000001.new");
  EXPECT_FALSE(archive_->Write(Record(1, "default reject;")).ok());
  EXPECT_EQ(archive_->Read(1)->text.text(), "default accept;");
}

}  // namespace
}  // namespace sluice::server
