#include "third_party/daemon/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace sluice {
namespace {

rlimit Limit() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit;
}

TEST(OpenFilesTest, TheSoftLimitIsRaisedToTheHardOne) {
  rlimit limit = Limit();
  limit.rlim_max = 512;
  limit.rlim_cur = 128;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(RaiseOpenFiles(512, "this").ok());
  EXPECT_EQ(Limit().rlim_cur, 512u);
  EXPECT_TRUE(RaiseOpenFiles(1, "this").ok());
}

TEST(OpenFilesTest, WhatIsBeyondItIsSaid) {
  rlimit limit = Limit();
  limit.rlim_max = 512;
  limit.rlim_cur = 512;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const absl::Status status = RaiseOpenFiles(513, "this");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("this may need 513 open files, and 512 are allowed"),
            std::string::npos)
      << status;
}

}  // namespace
}  // namespace sluice
