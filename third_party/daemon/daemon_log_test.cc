#include "third_party/daemon/daemon_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace sluice {
namespace {

class DaemonLogTest : public testing::Test {
 protected:
  DaemonLogTest() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
  }
  ~DaemonLogTest() override {
    CloseReader();
    CloseWriter();
  }

  void CloseReader() { Close(pipe_[0]); }
  void CloseWriter() { Close(pipe_[1]); }
  int writer() const { return pipe_[1]; }

  // Returns what can be read; waits for something unless the writer is closed.
  std::string Read() {
    char buffer[65536];
    const ssize_t n = read(pipe_[0], buffer, sizeof(buffer));
    return {buffer, static_cast<size_t>(std::max<ssize_t>(n, 0))};
  }

 private:
  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  int pipe_[2] = {-1, -1};
};

TEST_F(DaemonLogTest, WritesWhatIsLogged) {
  {
    DaemonLog log(writer(), "%l %v");
    spdlog::info("one");
    spdlog::warn("two");
  }
  CloseWriter();
  EXPECT_EQ(Read(), "info one\nwarning two\n");
}

TEST_F(DaemonLogTest, NobodyForgesALineOrShowsWhatIsNotThere) {
  {
    DaemonLog log(writer(), "%l %v");
    spdlog::info("policy a\nwarning forged\x1b[2K\u202e \xff");
    spdlog::info(std::string(5000, 'x'));
  }
  CloseWriter();
  EXPECT_EQ(Read(), "info policy a\\x0awarning forged\\x1b[2K\\xe2\\x80\\xae \\xff\ninfo " +
                        std::string(4096, 'x') + "…\n");
}

TEST_F(DaemonLogTest, NobodyWaitsForAReaderWhoDoesNotReadAndEachLostLineIsCounted) {
  constexpr size_t kLines = 100'000;
  constexpr char kRemark[] = " lines of this log are lost: they could not be written in time\n";
  DaemonLog log(writer(), "%v");
  const std::string line(99, 'x');
  for (size_t i = 0; i < kLines; ++i) spdlog::info(line);
  std::string read;
  while (!read.ends_with(kRemark)) read += Read();
  const size_t remark = read.find(kRemark);
  const size_t digits = read.rfind('\n', remark) + 1;
  const auto lines = static_cast<size_t>(std::count(read.begin(), read.end(), '\n'));
  EXPECT_EQ(lines - 1 + std::stoul(read.substr(digits, remark - digits)), kLines);
}

TEST_F(DaemonLogTest, NothingIsWrittenOnceItIsStopped) {
  DaemonLog log(writer(), "%v");
  log.Stop();
  spdlog::info("too late");
  CloseWriter();
  EXPECT_EQ(Read(), "");
}

TEST_F(DaemonLogTest, EndsThoughNobodyReads) {
  DaemonLog log(writer(), "%v");
  for (int i = 0; i < 10'000; ++i) spdlog::info(std::string(99, 'x'));
  log.Stop();
}

TEST_F(DaemonLogTest, EndsThoughATerminalIsHeld) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int held = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(held, 0);
  {
    DaemonLog log(held, "%v");
    for (int i = 0; i < 10'000; ++i) spdlog::info(std::string(99, 'x'));
  }
  // Ends the write in which the log's thread is stuck.
  close(terminal);
  close(held);
}

TEST_F(DaemonLogTest, WhatAFullDiskDoesNotTakeIsCounted) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  {
    DaemonLog log(full, "%v");
    for (int i = 0; i < 7; ++i) spdlog::info("x");
    ASSERT_EQ(dup2(writer(), full), full);  // There is room again.
    spdlog::info("x");
  }
  close(full);
  CloseWriter();
  const std::string read = Read();
  // Lines that came before there was room are lost; that may be none.
  auto lines = static_cast<size_t>(std::count(read.begin(), read.end(), 'x'));
  if (const size_t digits = read.find_first_not_of("x\n"); digits != std::string::npos) {
    lines += std::stoul(read.substr(digits));
  }
  EXPECT_EQ(lines, 8u) << read;
}

TEST_F(DaemonLogTest, GoesOnWhereTheReaderIsGone) {
  DaemonLog log(writer(), "%v");
  CloseReader();
  for (int i = 0; i < 10'000; ++i) spdlog::info(std::string(99, 'x'));
  log.Stop();
}

}  // namespace
}  // namespace sluice
