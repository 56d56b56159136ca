#include "tests/bench/raw_agents/process_usage.h"

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <vector>

namespace sluice::bench {
namespace {

double OwnCpuSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

TEST(ProcessUsageTest, CpuTimeIsThatOfTheProcess) {
  const double before = OwnCpuSeconds();
  const absl::StatusOr<ProcessUsage> usage = UsageOf(getpid());
  const double after = OwnCpuSeconds();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_GE(usage->cpu_seconds, before);
  EXPECT_LE(usage->cpu_seconds, after);
}

TEST(ProcessUsageTest, MemoryInBytes) {
  constexpr size_t kSize = 64 << 20;
  const absl::StatusOr<ProcessUsage> before = UsageOf(getpid());
  const std::vector<char> touched(kSize, 1);
  const absl::StatusOr<ProcessUsage> after = UsageOf(getpid());
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_NEAR(static_cast<double>(after->resident_bytes - before->resident_bytes), kSize,
              kSize / 8.0);
}

TEST(ProcessUsageTest, NoSuchProcess) {
  // Larger than any that the kernel gives: PID_MAX_LIMIT is 2^22.
  EXPECT_EQ(UsageOf(1 << 30).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sluice::bench
