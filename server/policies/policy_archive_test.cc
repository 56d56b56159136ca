#include "server/policies/policy_archive.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
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

TEST_F(PolicyArchiveTest, KeepsWhatNamesMean) {
  policy::NameMeanings names;
  names.hosts["a"] = {policy::Address::IpV4(0xc0000201)};
  ASSERT_TRUE(archive_->WriteNames(1, names).ok());
  ASSERT_TRUE(archive_->Write(Record(1)).ok());
  ASSERT_TRUE(archive_->WriteNames(2, {}).ok());
  ASSERT_TRUE(archive_->Write(Record(2)).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"lock", "policy-000001", "policy-000001.hosts",
                                            "policy-000002"}));
  EXPECT_EQ(archive_->ReadNames(1).value(), names);
  EXPECT_TRUE(archive_->ReadNames(2).value().empty());
  Put("policy-000001.hosts", "damaged");
  const auto damaged = archive_->ReadNames(1);
  EXPECT_TRUE(absl::IsDataLoss(damaged.status()));
  EXPECT_NE(damaged.status().message().find(folder_ + "/policy-000001.hosts: "), std::string::npos);
  EXPECT_EQ(archive_->Load().records.size(), 2u) << "the version is good";
  ASSERT_TRUE(archive_->Remove(1).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"lock", "policy-000002"}));
}

TEST_F(PolicyArchiveTest, TidiesNamesThatWereLeftBehind) {
  ASSERT_TRUE(archive_->Write(Record(1)).ok());
  Put("policy-000001.hosts.new", "half wr");
  Put("policy-000002.hosts", "of no version");
  Put("policy-000003", "cannot be read");
  Put("policy-000003.hosts", "may be needed yet");
  const auto contents = archive_->Load();
  EXPECT_EQ(contents.highest, 3u);
  EXPECT_EQ(contents.remarks.size(), 1u);
  EXPECT_EQ(Names(), (std::set<std::string>{"lock", "policy-000001", "policy-000003",
                                            "policy-000003.hosts"}));
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
  // /dev/full is always a full disk.
  std::filesystem::remove(folder_ + "/policy-000001.new");
  std::filesystem::create_symlink("/dev/full", folder_ + "/policy-000001.new");
  EXPECT_FALSE(archive_->Write(Record(1, "default reject;")).ok());
  EXPECT_EQ(archive_->Read(1)->text.text(), "default accept;");
}

// As on a disk that was mounted read-only, in the test's own namespace of mounts.
class ReadOnlyArchiveTest : public PolicyArchiveTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "needs root: " << std::strerror(errno);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_TRUE(archive_->Write(Record(1)).ok());
    archive_.reset();
    ASSERT_EQ(mount(top_.c_str(), top_.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  void TearDown() override { umount2(top_.c_str(), MNT_DETACH); }

  void SetReadOnly(bool read_only) {
    const uint64_t flags = MS_BIND | MS_REMOUNT | (read_only ? MS_RDONLY : 0);
    ASSERT_EQ(mount(nullptr, top_.c_str(), nullptr, flags, nullptr), 0);
  }
};

TEST_F(ReadOnlyArchiveTest, IsReadAndNotWritten) {
  SetReadOnly(true);
  archive_ = PolicyArchive::Open(folder_).value();
  EXPECT_EQ(archive_->writable().message(),
            "policies cannot be kept in " + folder_ + ": Read-only file system");
  EXPECT_EQ(archive_->Load().highest, 1u);
  EXPECT_EQ(archive_->Read(1)->text.text(), "default accept;");
  const absl::Status status = archive_->Write(Record(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "policy 2 cannot be kept in " + folder_ + ": Read-only file system");
  EXPECT_EQ(PolicyArchive::Open(folder_).status().code(), absl::StatusCode::kFailedPrecondition)
      << "it is locked all the same";
  SetReadOnly(false);
  EXPECT_TRUE(archive_->Write(Record(2)).ok());
}

TEST_F(ReadOnlyArchiveTest, WithoutALockNothingIsWritten) {
  std::filesystem::remove(folder_ + "/lock");
  SetReadOnly(true);
  archive_ = PolicyArchive::Open(folder_).value();
  EXPECT_EQ(archive_->Load().highest, 1u);
  SetReadOnly(false);
  EXPECT_EQ(archive_->Write(Record(2)).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReadOnlyArchiveTest, AFolderThatCannotBeMadeHasNothing) {
  SetReadOnly(true);
  folder_ = top_ + "/other/policies";
  archive_ = PolicyArchive::Open(folder_).value();
  EXPECT_FALSE(archive_->writable().ok());
  const auto contents = archive_->Load();
  EXPECT_TRUE(contents.records.empty());
  EXPECT_TRUE(contents.remarks.empty());
  EXPECT_EQ(archive_->Write(Record(1)).message(),
            "policy 1 cannot be kept in " + folder_ + ": Read-only file system");
}

}  // namespace
}  // namespace sluice::server
