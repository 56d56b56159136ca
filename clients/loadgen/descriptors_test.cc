#include "clients/loadgen/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace sluice::loadgen {
namespace {

rlimit Limit() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit;
}

TEST(DescriptorsTest, TheSoftLimitIsRaisedToTheHardOne) {
  rlimit limit = Limit();
  limit.rlim_max = 512;
  limit.rlim_cur = 128;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(RaiseDescriptorLimit(512).ok());
  EXPECT_EQ(Limit().rlim_cur, 512u);
  EXPECT_TRUE(RaiseDescriptorLimit(1).ok());
}

TEST(DescriptorsTest, WhatIsBeyondItIsSaid) {
  rlimit limit = Limit();
  limit.rlim_max = 512;
  limit.rlim_cur = 512;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const absl::Status status = RaiseDescriptorLimit(DescriptorsFor(1000));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("need 3064 open files"), std::string::npos) << status;
  EXPECT_NE(status.message().find("512 are allowed"), std::string::npos) << status;
}

}  // namespace
}  // namespace sluice::loadgen
