#include "agent/check/privileges.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/survey/probe.h"

namespace sluice::agent {
namespace {

// Runs `body` in a process of its own, in a network namespace of its own, and returns what it
// returned: rights once given up do not come back.
std::string InChild(const std::function<std::string()>& body) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    std::string text = unshare(CLONE_NEWNET) == 0 ? body() : "unshare failed";
    text += "\nend";
    const bool written = write(pipe_ends[1], text.data(), text.size()) > 0;
    _exit(written ? 0 : 1);
  }
  close(pipe_ends[1]);
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(pipe_ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  return text;
}

// The lines of /proc/self/status that say who and what we may.
std::string Rights() {
  std::ifstream file("/proc/self/status");
  std::string all;
  for (std::string line; std::getline(file, line);) {
    for (const char* key : {"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"}) {
      if (absl::StartsWith(line, key)) absl::StrAppend(&all, line, "\n");
    }
  }
  return all;
}

TEST(PrivilegesTest, BecomesTheUserWithOneCapability) {
  ASSERT_EQ(getuid(), 0u) << "this test must be run as root";
  const passwd* nobody = getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const std::string uid = absl::StrCat(nobody->pw_uid);
  const std::string gid = absl::StrCat(nobody->pw_gid);
  const std::string told = InChild([] {
    const absl::Status settled = SettlePrivileges("nobody");
    return settled.ok() ? Rights() : settled.ToString();
  });
  EXPECT_EQ(told, absl::StrCat("Uid:\t", uid, "\t", uid, "\t", uid, "\t", uid, "\nGid:\t", gid,
                               "\t", gid, "\t", gid, "\t", gid,
                               "\nGroups:\t0 \n"
                               "CapInh:\t0000000000000000\n"
                               "CapPrm:\t0000000000001000\n"  // CAP_NET_ADMIN is number 12
                               "CapEff:\t0000000000001000\n"
                               "CapBnd:\t0000000000000000\n"
                               "CapAmb:\t0000000000000000\n"
                               "NoNewPrivs:\t1\n\nend"));
}

TEST(PrivilegesTest, CanStillDoItsWorkAndNothingElse) {
  const std::string told = InChild([]() -> std::string {
    if (const auto settled = SettlePrivileges("nobody"); !settled.ok()) return settled.ToString();
    if (const auto queueing = ProbeQueueing(); !queueing.ok()) return queueing.ToString();
    if (const auto size = ProbeReceiveBuffer(8 << 20); !size.ok()) return size.status().ToString();
    std::ifstream queues("/proc/net/netfilter/nfnetlink_queue");
    if (!queues.is_open()) return "group root does not open the queue listing";
    if (std::ifstream("/etc/shadow").is_open()) return "reads /etc/shadow";
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0) return "is root again";
    if (setgroups(0, nullptr) == 0) return "may change groups";
    if (unshare(CLONE_NEWNET) == 0) return "has CAP_SYS_ADMIN";
    return "fine";
  });
  EXPECT_EQ(told, "fine\nend");
}

TEST(PrivilegesTest, StaysRootIfToldTo) {
  const std::string told = InChild([] {
    const std::string before = Rights();
    const absl::Status settled = SettlePrivileges("");
    return absl::StrCat(settled.ok(), " ", Rights() == before);
  });
  EXPECT_EQ(told, "1 1\nend");
}

TEST(PrivilegesTest, SaysWhatToDoAboutUsers) {
  const std::string told = InChild([] {
    const std::string before = Rights();
    const absl::Status unknown = SettlePrivileges("no-such-user");
    const absl::Status root = SettlePrivileges("root");
    return absl::StrCat(unknown.ToString(), "\n", root.ToString(), "\n", Rights() == before);
  });
  EXPECT_TRUE(absl::StrContains(told, "no user `no-such-user`; make it with `useradd")) << told;
  EXPECT_TRUE(absl::StrContains(told, "write user: \"\" to stay root")) << told;
  EXPECT_TRUE(absl::EndsWith(told, "\n1\nend")) << told;
}

TEST(PrivilegesTest, ChecksTheCapabilityOfOthers) {
  const std::string without = InChild([] {
    if (setuid(65534) != 0) return std::string("setuid failed");
    return SettlePrivileges("sluice").ToString();
  });
  EXPECT_TRUE(absl::StrContains(without, "without CAP_NET_ADMIN; start it as root, or by systemd"))
      << without;
  // As systemd does with User= and AmbientCapabilities=.
  const std::string with = InChild([]() -> std::string {
    capng_clear(CAPNG_SELECT_BOTH);
    capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                 CAP_NET_ADMIN);
    if (capng_change_id(65534, 65534, CAPNG_DROP_SUPP_GRP) != 0) return "change_id failed";
    return SettlePrivileges("sluice").ToString();
  });
  EXPECT_EQ(with, "OK\nend");
}

}  // namespace
}  // namespace sluice::agent
