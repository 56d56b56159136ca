#include "server/policies/free_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::server {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class FreeMemoryTest : public testing::Test {
 protected:
  FreeMemoryTest() {
    std::string made = testing::TempDir() + "/free_XXXXXX";
    root_ = mkdtemp(made.data());
  }
  ~FreeMemoryTest() override { fs::remove_all(root_); }

  void Put(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(root_ + name).parent_path());
    std::ofstream(root_ + name) << text;
  }
  void PutNodes() {
    Put("/sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal:  99999 kB\nNode 0 MemFree:   1024 kB\nNode 0 Active:    777 kB\n"
        "Node 0 Active(file):  2048 kB\nNode 0 Inactive(file):  3072 kB\n"
        "Node 0 SReclaimable:  4096 kB\n");
    Put("/sys/devices/system/node/node1/meminfo", "Node 1 MemFree:  90112 kB\n");
    Put("/sys/devices/system/node/online", "0-1\n");
  }

  std::string root_;
};

TEST_F(FreeMemoryTest, OfTheMachine) {
  EXPECT_GT(FreeMemory(), kMiB) << "of this one";
  EXPECT_GT(FreeMemory(root_), kMiB) << "all there is, where nothing else is known";
  Put("/proc/meminfo", "MemTotal:  99999 kB\nMemAvailable:   7168 kB\n");
  EXPECT_EQ(FreeMemory(root_), 7 * kMiB);
  PutNodes();
  EXPECT_EQ(FreeMemory(root_), (1 + 2 + 3 + 4 + 88) * kMiB);
}

TEST_F(FreeMemoryTest, LessWhereAControlGroupLeavesLess) {
  PutNodes();
  Put("/proc/self/cgroup", "1:name=systemd:/x\n0::/system.slice/server\n");
  Put("/sys/fs/cgroup/system.slice/server/memory.max", "max\n");
  Put("/sys/fs/cgroup/system.slice/server/memory.current", "1048576\n");
  EXPECT_EQ(FreeMemory(root_), 98 * kMiB);
  Put("/sys/fs/cgroup/system.slice/memory.max", "20971520\n");
  Put("/sys/fs/cgroup/system.slice/memory.current", "10485760\n");
  EXPECT_EQ(FreeMemory(root_), 10 * kMiB);
  Put("/sys/fs/cgroup/system.slice/memory.stat",
      "anon 5\nfile 99\ninactive_file 1048576\nactive_file 2097152\n");
  EXPECT_EQ(FreeMemory(root_), 13 * kMiB);
  Put("/sys/fs/cgroup/system.slice/server/memory.max", "524288\n");
  EXPECT_EQ(FreeMemory(root_), 0u);
  // Within a container, its own group appears at the top.
  Put("/proc/self/cgroup", "0::/\n");
  Put("/sys/fs/cgroup/memory.max", "3145728\n");
  Put("/sys/fs/cgroup/memory.current", "1048576\n");
  EXPECT_EQ(FreeMemory(root_), 2 * kMiB);
}

TEST_F(FreeMemoryTest, LessWhereTheAddressSpaceIsLimited) {
  PutNodes();
  Put("/proc/self/statm", "256 1 1\n");
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit limit = before;
  // More than a sanitizer reserves.
  limit.rlim_cur = 256 * page + 64 * kMiB * kMiB;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
  EXPECT_EQ(FreeMemory(root_), 98 * kMiB);
  Put("/proc/self/statm", std::to_string(limit.rlim_cur / page - 256) + " 1 1\n");
  EXPECT_EQ(FreeMemory(root_), 256 * page);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
}

}  // namespace
}  // namespace sluice::server
