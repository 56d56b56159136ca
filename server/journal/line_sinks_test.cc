#include "server/journal/line_sinks.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sluice::server {
namespace {

class LineSinksTest : public testing::Test {
 protected:
  LineSinksTest() {
    std::string made = "/tmp/sinks_XXXXXX";  // The names of sockets must be short.
    folder_ = mkdtemp(made.data());
    path_ = folder_ + "/log";
  }
  ~LineSinksTest() override { std::filesystem::remove_all(folder_); }

  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  std::string folder_;
  std::string path_;
};

TEST_F(LineSinksTest, AFileIsAppendedTo) {
  std::ofstream(path_) << "before\n";
  auto sinks = OpenSinks({path_});
  ASSERT_TRUE(sinks.ok()) << sinks.status();
  ASSERT_EQ(sinks->size(), 1u);
  sinks->front()->Write({"one", "two"});
  sinks->front()->Write({"three"});
  EXPECT_EQ(Read(path_), "before\none\ntwo\nthree\n");
}

TEST_F(LineSinksTest, AFileIsOpenedAgainUnderItsName) {
  auto sink = FileSink::Open(path_).value();
  sink->Write({"one"});
  std::filesystem::rename(path_, path_ + ".1");
  sink->Write({"two"});
  sink->Reopen();
  sink->Write({"three"});
  EXPECT_EQ(Read(path_ + ".1"), "one\ntwo\n");
  EXPECT_EQ(Read(path_), "three\n");
  std::filesystem::rename(path_, path_ + ".2");
  std::filesystem::create_directory(path_);
  sink->Reopen();
  sink->Write({"four"});
  EXPECT_EQ(Read(path_ + ".2"), "three\nfour\n");
}

TEST_F(LineSinksTest, WhatTheDiskDoesNotTakeIsCountedAndSaid) {
  auto sink = FileSink::Open(path_).value();
  sink->Write({"one"});
  // A file that may not grow stands for a full disk: the write fails in the same way.
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = 7;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  sink->Write({"second", "third"});
  sink->Write({"fourth"});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  sink->Write({"fifth"});
  sink->Write({"sixth"});
  signal(SIGXFSZ, ignored);
  const std::string text = Read(path_);
  EXPECT_TRUE(text.starts_with("one\nsec\ntime=")) << text;
  EXPECT_TRUE(text.ends_with(" left_out=3 reason=\"File too large\"\nfifth\nsixth\n")) << text;
}

TEST_F(LineSinksTest, WhatCannotBeOpenedIsAnError) {
  EXPECT_FALSE(OpenSinks({folder_}).ok());
  EXPECT_FALSE(OpenSinks({path_, folder_ + "/none/log"}).ok());
  ASSERT_TRUE(OpenSinks({}).ok());
  EXPECT_EQ(OpenSinks({})->size(), 1u);
  EXPECT_EQ(OpenSinks({path_, "syslog"})->size(), 2u);
}

// A syslogd's socket.
class Syslogd final {
 public:
  explicit Syslogd(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address = {AF_UNIX, {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    unlink(path.c_str());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Syslogd() { close(fd_); }
  Syslogd(const Syslogd&) = delete;
  Syslogd& operator=(const Syslogd&) = delete;

  std::string Next() const {
    char text[1000];
    const ssize_t size = recv(fd_, text, sizeof(text), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

 private:
  const int fd_;
};

TEST_F(LineSinksTest, SyslogGetsALineADatagram) {
  SyslogSink sink(path_);
  sink.Write({"lost", "as well"});
  {
    const Syslogd syslogd(path_);
    sink.Write({"one", "two"});
    EXPECT_TRUE(syslogd.Next().ends_with(" left_out=2 reason=\"No such file or directory\""));
    const std::string one = syslogd.Next();
    EXPECT_TRUE(one.starts_with("<30>")) << one;
    EXPECT_TRUE(one.ends_with(" sluice-server[" + std::to_string(getpid()) + "]: one")) << one;
    EXPECT_TRUE(syslogd.Next().ends_with(": two"));
    EXPECT_EQ(syslogd.Next(), "");
  }
  const Syslogd again(path_);
  sink.Write({"three"});
  EXPECT_TRUE(again.Next().ends_with(": three"));
}

TEST_F(LineSinksTest, ASyslogdThatDoesNotReadHoldsNothingUp) {
  const Syslogd syslogd(path_);
  SyslogSink sink(path_);
  sink.Write(std::vector<std::string>(10'000, "line"));
  int lines = 0;
  while (!syslogd.Next().empty()) ++lines;
  EXPECT_LT(lines, 10'000);
  sink.Write({"after"});
  EXPECT_TRUE(syslogd.Next().find(" left_out=" + std::to_string(10'000 - lines)) !=
              std::string::npos);
  EXPECT_TRUE(syslogd.Next().ends_with(": after"));
}

}  // namespace
}  // namespace sluice::server
