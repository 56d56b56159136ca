#include "server/control/set_watcher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace sluice::server {
namespace {

namespace fs = std::filesystem;
using WallTime = PolicyStore::WallTime;

class SetWatcherTest : public testing::Test {
 protected:
  SetWatcherTest() : folder_(testing::TempDir() + "/set_watcher_test") {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~SetWatcherTest() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  // As `mv` does.
  void Replace(const std::string& name, const std::string& text) {
    Write("new", text);
    fs::rename(folder_ / "new", folder_ / name);
  }
  // Packets from the addresses in the files are accepted.
  void Apply(const std::string& name = "set") {
    const auto applied = policies_.Apply(
        PolicyOf("set s from \"" + (folder_ / name).string() + "\"; from @s to any accept;",
                 "test"),
        WallTime{});
    ASSERT_TRUE(applied.status.ok()) << applied.problems.front().message();
  }
  bool Accepts(uint8_t last_byte) {
    v1::Packet packet;
    packet.set_family(v1::FAMILY_IPV4);
    packet.mutable_headers()->set_source(std::string("\x0a\0\0", 3) + static_cast<char>(last_byte));
    packet.mutable_headers()->set_destination(std::string("\x0a\0\0\x09", 4));
    return policies_.Current()->rules->Decide(packet).action == v1::ACTION_ACCEPT;
  }
  void AwaitAccepted(uint8_t last_byte) {
    while (!Accepts(last_byte)) std::this_thread::yield();
  }

  const fs::path folder_;
  PolicyStore policies_{WallTime{}};
  Ticker ticker_;
  SetWatcher watcher_{&policies_, &ticker_};
};

TEST_F(SetWatcherTest, ReadsAFileThatIsReplaced) {
  Write("set", "10.0.0.1\n");
  Apply();
  EXPECT_TRUE(Accepts(1));
  Replace("set", "10.0.0.2\n");
  AwaitAccepted(2);
  EXPECT_FALSE(Accepts(1));
  const auto policy = policies_.Current();
  EXPECT_EQ(policy->version, 1u);
  EXPECT_GE(policy->revision, 1u);
  // And again.
  Replace("set", "10.0.0.3\n");
  AwaitAccepted(3);
  EXPECT_EQ(policies_.Current()->version, 1u);
}

TEST_F(SetWatcherTest, ReadsAFileThatIsWrittenInPlace) {
  Write("set", "10.0.0.1\n");
  Apply();
  Write("set", "10.0.0.2\n");
  AwaitAccepted(2);
}

TEST_F(SetWatcherTest, FollowsSymbolicLinks) {
  fs::create_directories(folder_ / "1");
  fs::create_directories(folder_ / "2");
  Write("1/set", "10.0.0.1\n");
  Write("2/set", "10.0.0.2\n");
  fs::create_directory_symlink("1", folder_ / "data");
  fs::create_symlink("data/set", folder_ / "set");
  Apply();
  // As Kubernetes replaces what is in a volume.
  fs::create_directory_symlink("2", folder_ / "data_new");
  fs::rename(folder_ / "data_new", folder_ / "data");
  AwaitAccepted(2);
  // Where the link leads.
  Replace("2/set", "10.0.0.3\n");
  AwaitAccepted(3);
}

TEST_F(SetWatcherTest, WhatVanishesOrIsNoSetStays) {
  Write("set", "10.0.0.1\n");
  Write("other", "10.0.0.5\n");
  const auto applied = policies_.Apply(
      PolicyOf("set s from \"" + (folder_ / "set").string() + "\"; set o from \"" +
                   (folder_ / "other").string() + "\"; from {@s, @o} to any accept;",
               "test"),
      WallTime{});
  ASSERT_TRUE(applied.status.ok());
  fs::remove(folder_ / "set");
  // The other goes on being read.
  Replace("other", "10.0.0.6\n");
  AwaitAccepted(6);
  EXPECT_FALSE(Accepts(5));
  EXPECT_TRUE(Accepts(1));
  Replace("set", "no address\n");
  Replace("other", "10.0.0.7\n");
  AwaitAccepted(7);
  EXPECT_TRUE(Accepts(1));
  // Put right, it counts again.
  Replace("set", "10.0.0.2\n");
  AwaitAccepted(2);
  EXPECT_FALSE(Accepts(1));
}

TEST_F(SetWatcherTest, LooksAtFoldersThatComeBack) {
  fs::create_directories(folder_ / "sets");
  Write("sets/set", "10.0.0.1\n");
  Apply("sets/set");
  fs::remove_all(folder_ / "sets");
  fs::create_directories(folder_ / "sets");
  Write("sets/set", "10.0.0.2\n");
  AwaitAccepted(2);
}

TEST_F(SetWatcherTest, FollowsThePolicy) {
  Write("one", "10.0.0.1\n");
  Write("two", "10.0.0.2\n");
  Apply("one");
  Apply("two");
  Replace("two", "10.0.0.3\n");
  AwaitAccepted(3);
  EXPECT_EQ(policies_.Current()->version, 2u);
}

// A policy that comes back had read its files long ago.
TEST_F(SetWatcherTest, ReadsTheFilesOfAPolicyThatIsRevertedTo) {
  Write("set", "10.0.0.1\n");
  Apply();
  const PolicyStore::Time start{std::chrono::seconds(1000)};
  policies_.Apply(PolicyOf("default reject;", "test"), WallTime{},
                  {.confirm_by = start + std::chrono::seconds(60)});
  Replace("set", "10.0.0.2\n");
  EXPECT_TRUE(policies_.RevertIfDue(start + std::chrono::seconds(60), WallTime{}));
  AwaitAccepted(2);
}

}  // namespace
}  // namespace sluice::server
