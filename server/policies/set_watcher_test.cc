#include "server/policies/set_watcher.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace sluice::server {
namespace {

namespace fs = std::filesystem;
using WallTime = PolicyStore::WallTime;

// In a mount namespace of the test's own: only the test and the threads it makes from now on see
// its mounts.
struct OwnMounts {
  OwnMounts() {
    EXPECT_EQ(unshare(CLONE_NEWNS), 0) << "needs root: " << std::strerror(errno);
    EXPECT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }
};

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
  // Renames like `mv`.
  void Replace(const std::string& name, const std::string& text) {
    Write("new", text);
    fs::rename(folder_ / "new", folder_ / name);
  }
  // A policy that accepts packets from the addresses in the files.
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
  // Waits until the watcher has nothing more to read. It may have found the first change when it
  // looked at the applied policy; the second one was reported, and it then waited until all was
  // quiet.
  void AwaitWatched() {
    for (const uint8_t last_byte : {8, 9}) {
      Replace("set", "10.0.0." + std::to_string(last_byte) + "\n");
      AwaitAccepted(last_byte);
    }
  }
  void AwaitAccepted(uint8_t last_byte) {
    while (!Accepts(last_byte)) std::this_thread::yield();
  }

  const OwnMounts mounts_;
  const fs::path folder_;
  PolicyStore policies_{WallTime{}, nullptr, folder_.string()};
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
  // And once more.
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
  // The way Kubernetes replaces the files of a volume.
  fs::create_directory_symlink("2", folder_ / "data_new");
  fs::rename(folder_ / "data_new", folder_ / "data");
  AwaitAccepted(2);
  // Changes the target of the link.
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
  // The other file is still read.
  Replace("other", "10.0.0.6\n");
  AwaitAccepted(6);
  EXPECT_FALSE(Accepts(5));
  EXPECT_TRUE(Accepts(1));
  Replace("set", "no address\n");
  Replace("other", "10.0.0.7\n");
  AwaitAccepted(7);
  EXPECT_TRUE(Accepts(1));
  // Once the file is right, it is used again.
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

// inotify reports neither a mount over a file nor a change by another machine.
class UntoldSetTest : public SetWatcherTest {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "elsewhere");
    Write("elsewhere/one", "10.0.0.1\n");
    Write("elsewhere/two", "10.0.0.2\n");
    Write("set", "");
  }
  void TearDown() override {
    while (umount2((folder_ / "set").c_str(), MNT_DETACH) == 0) {
    }
  }

  void Mount(const std::string& name) {
    ASSERT_EQ(mount((folder_ / name).c_str(), (folder_ / "set").c_str(), nullptr, MS_BIND, nullptr),
              0);
  }
};

TEST_F(UntoldSetTest, AFileMountedByItselfIsReadWhenItIsWritten) {
  Apply();
  AwaitWatched();
  Mount("elsewhere/one");
  AwaitAccepted(1);
  Write("elsewhere/one", "10.0.0.3\n");
  AwaitAccepted(3);
}

TEST_F(UntoldSetTest, AnotherFileMountedThereIsRead) {
  Apply();
  AwaitWatched();
  Mount("elsewhere/one");
  AwaitAccepted(1);
  Mount("elsewhere/two");
  AwaitAccepted(2);
  EXPECT_FALSE(Accepts(1));
}

// However long the writer takes.
TEST_F(SetWatcherTest, WhatIsBeingWrittenIsNotReadBefore) {
  Write("set", "10.0.0.1\n");
  Apply();
  AwaitWatched();
  // Longer than two of the intervals at which the watcher looks.
  std::ofstream writer(folder_ / "set");
  writer << "10.0.0.2\n" << std::flush;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_FALSE(Accepts(2));
    std::this_thread::yield();
  }
  writer << "10.0.0.3\n";
  writer.close();
  AwaitAccepted(3);
  EXPECT_TRUE(Accepts(2));
}

// A policy that comes back has read its files long ago.
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
