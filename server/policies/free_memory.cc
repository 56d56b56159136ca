#include "server/policies/free_memory.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

namespace sluice::server {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

uint64_t Less(uint64_t all, uint64_t used) { return all - std::min(all, used); }

// The number a file begins with, such as memory.max; nullopt if it has none ("max").
std::optional<uint64_t> NumberIn(const fs::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

// The sum of the numbers after these words. Each word is the first of its line, or follows "Node 0
// ". Nullopt if there is no such file.
std::optional<uint64_t> SumOf(const fs::path& path, std::initializer_list<std::string_view> words) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  uint64_t sum = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string word;
    uint64_t number = 0;
    if (fields >> word && word == "Node") fields >> number >> word;
    if (std::find(words.begin(), words.end(), word) != words.end() && fields >> number) {
      sum += number;
    }
  }
  return sum;
}

// Sums up all memory nodes. The page cache of files counts as free, as it can be freed at once.
uint64_t OfMachine(const std::string& root) {
  uint64_t free_kib = 0;
  bool known = false;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root + "/sys/devices/system/node", error)) {
    const auto node = SumOf(entry.path() / "meminfo",
                            {"MemFree:", "Active(file):", "Inactive(file):", "SReclaimable:"});
    known = known || node.has_value();
    free_kib += node.value_or(0);
  }
  if (known) return free_kib << 10;
  if (const auto available = SumOf(root + "/proc/meminfo", {"MemAvailable:"})) {
    return *available << 10;
  }
  struct sysinfo machine = {};
  if (sysinfo(&machine) != 0) return kNoLimit;
  return uint64_t{machine.totalram} * machine.mem_unit;  // Most of it may be page cache.
}

// The least of this process's group and those it is in.
uint64_t OfControlGroups(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  uint64_t least = kNoLimit;
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;  // cgroup v2
    const fs::path top = root + "/sys/fs/cgroup";
    const std::string own = line.substr(4);
    for (fs::path group = own.empty() ? top : top / own;; group = group.parent_path()) {
      const auto most = NumberIn(group / "memory.max");
      const auto used = NumberIn(group / "memory.current");
      if (most && used) {
        const uint64_t files =
            SumOf(group / "memory.stat", {"active_file", "inactive_file"}).value_or(0);
        least = std::min(least, Less(*most, Less(*used, files)));
      }
      if (group == top || !group.has_relative_path()) break;
    }
  }
  return least;
}

uint64_t OfAddressSpace(const std::string& root) {
  rlimit limit = {};
  const auto pages = NumberIn(root + "/proc/self/statm");
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || !pages) {
    return kNoLimit;
  }
  return Less(limit.rlim_cur, *pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
}

}  // namespace

uint64_t FreeMemory(const std::string& root) {
  return std::min({OfMachine(root), OfControlGroups(root), OfAddressSpace(root)});
}

}  // namespace sluice::server
