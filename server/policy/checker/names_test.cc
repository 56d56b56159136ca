#include "server/policy/checker/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_replace.h"

namespace sluice::server::policy {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

SystemNames Patient() { return SystemNames(std::chrono::steady_clock::time_point::max()); }

TEST(SystemNamesTest, KnowsWhatEverySystemHas) {
  SystemNames names = Patient();
  const auto hosts = names.Host("localhost");
  ASSERT_TRUE(hosts.ok()) << hosts.status();
  EXPECT_THAT(*hosts, Contains(Address::IpV4(0x7f000001)));
  EXPECT_EQ(names.Network("loopback").value(), 0x7f000000u);
  EXPECT_EQ(names.Protocol("tcp").value(), 6u);
  EXPECT_EQ(names.Protocol("ipv6-icmp").value(), 58u);
  EXPECT_EQ(names.Service("smtp", "tcp").value(), 25u);
  EXPECT_EQ(names.Service("SMTP", "tcp").value(), 25u);
  EXPECT_EQ(names.Service("domain", "udp").value(), 53u);
}

TEST(SystemNamesTest, SaysWhereItLooked) {
  SystemNames names = Patient();
  EXPECT_THAT(names.Host("two..dots").status().message(), HasSubstr("no host `two..dots`: "));
  EXPECT_EQ(names.Network("no-such-net").status().message(),
            "no network `no-such-net` in /etc/networks");
  EXPECT_EQ(names.Protocol("no-such-protocol").status().message(),
            "no protocol `no-such-protocol` in /etc/protocols");
  EXPECT_EQ(names.Service("smtp", "udp").status().message(),
            "no udp service `smtp` in /etc/services");
}

class SetFileTest : public testing::Test {
 protected:
  SetFileTest() {
    std::string made = testing::TempDir() + "/sets_XXXXXX";
    folder_ = fs::path(mkdtemp(made.data()));
    fs::create_directories(folder_ / "sets/below");
    std::ofstream(folder_ / "sets/below/set") << "10.0.0.0/8\n";
    std::ofstream(folder_ / "secret") << "secret";
  }
  ~SetFileTest() override { fs::remove_all(folder_); }

  // The file's text, or what is wrong, without the path of the test's folder.
  std::string Read(const std::string& path, const std::string& set_dir = "/sets") {
    SystemNames names(std::chrono::steady_clock::time_point::max(),
                      set_dir.empty() ? "" : folder_.string() + set_dir);
    const auto text = names.SetFile(path.starts_with('/') ? folder_.string() + path : path);
    return absl::StrReplaceAll(text.ok() ? *text : std::string(text.status().message()),
                               {{folder_.string(), ""}});
  }

  fs::path folder_;
};

TEST_F(SetFileTest, IsReadBelowTheFolderOfSets) {
  EXPECT_EQ(Read("/sets/below/set"), "10.0.0.0/8\n");
  EXPECT_EQ(Read("/sets/below/../below/set"), "10.0.0.0/8\n");
  EXPECT_EQ(Read("/sets/below/set", "/sets/below"), "10.0.0.0/8\n");
  EXPECT_EQ(Read("/sets/none"), "cannot read `/sets/none`: No such file or directory");
  EXPECT_EQ(Read("set"), "cannot read `set`: write an absolute path");
  EXPECT_EQ(Read("/sets/below"), "cannot read `/sets/below`: it is no regular file");
  ASSERT_EQ(mkfifo((folder_ / "sets/pipe").c_str(), 0600), 0);
  EXPECT_EQ(Read("/sets/pipe"), "cannot read `/sets/pipe`: it is no regular file");
}

TEST_F(SetFileTest, NothingElsewhereIsReadOrSpokenOf) {
  const std::string only = ": files of sets are read below /sets only (--set-dir)";
  for (const char* path : {"/secret", "/none", "/sets/../secret", "/sets/below/../../secret",
                           "/sets", "/setsecret", "/sets/.."}) {
    EXPECT_EQ(Read(path), "cannot read `" + std::string(path) + "`" + only);
  }
  fs::create_symlink(folder_ / "secret", folder_ / "sets/out");
  EXPECT_EQ(Read("/sets/out"), "cannot read `/sets/out`" + only);
  fs::create_directory_symlink("/", folder_ / "sets/root");
  EXPECT_EQ(Read("/sets/root/dev/zero"), "cannot read `/sets/root/dev/zero`" + only);
  EXPECT_EQ(Read("/sets/below/set", ""),
            "cannot read `/sets/below/set`: this server reads no files of sets: start it with "
            "--set-dir");
  EXPECT_EQ(Read("/sets/below/set", "/none"),
            "cannot read `/sets/below/set`: there is no /none (--set-dir)");
}

TEST_F(SetFileTest, LinksWithinAreFollowed) {
  fs::create_symlink("below/set", folder_ / "sets/link");
  EXPECT_EQ(Read("/sets/link"), "10.0.0.0/8\n");
  // The folder itself may be a link.
  fs::create_directory_symlink("sets", folder_ / "lists");
  EXPECT_EQ(Read("/lists/link", "/lists"), "10.0.0.0/8\n");
  EXPECT_EQ(Read("/sets/link", "/lists"), "10.0.0.0/8\n");
}

TEST(SystemNamesTest, AsksNothingBehindItsDeadline) {
  SystemNames names(std::chrono::steady_clock::now());
  EXPECT_EQ(names.Host("localhost").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(names.Network("loopback").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(names.Protocol("tcp").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(names.Service("smtp", "tcp").status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sluice::server::policy
