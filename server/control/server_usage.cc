#include "server/control/server_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/streams/durations.h"

namespace sluice::server {
namespace {

// Field numbers as in proc(5), from 1. The second field, the program's name in parentheses, may
// contain anything, spaces and parentheses included.
constexpr size_t kFirstAfterName = 3;
constexpr size_t kStartTime = 22;
constexpr size_t kResidentSet = 24;

std::chrono::nanoseconds SinceBoot() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::chrono::microseconds ToMicroseconds(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

std::optional<ProcessStat> ParseProcessStat(const std::string& line) {
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(line.substr(name_end + 1), ' ', absl::SkipWhitespace());
  ProcessStat stat;
  if (fields.size() <= kResidentSet - kFirstAfterName ||
      !absl::SimpleAtoi(fields[kStartTime - kFirstAfterName], &stat.start_ticks) ||
      !absl::SimpleAtoi(fields[kResidentSet - kFirstAfterName], &stat.resident_pages)) {
    return std::nullopt;
  }
  return stat;
}

std::chrono::nanoseconds RunTime(uint64_t start_ticks, int64_t ticks_per_second,
                                 std::chrono::nanoseconds since_boot) {
  const auto rate = static_cast<uint64_t>(ticks_per_second);
  const auto started = std::chrono::seconds(start_ticks / rate) +
                       std::chrono::nanoseconds(start_ticks % rate * 1'000'000'000 / rate);
  // Ticks are rounded, so the difference may be negative.
  return std::max(since_boot - started, std::chrono::nanoseconds(0));
}

absl::Status GetServer(const Registry& registry, const FillPeers& peers,
                       v1::GetServerResponse* response) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::optional<ProcessStat> stat = ParseProcessStat(line);
  rusage used = {};
  if (!stat.has_value() || getrusage(RUSAGE_SELF, &used) != 0) {
    return absl::InternalError("/proc/self/stat cannot be read; is /proc mounted for the server?");
  }
  SetDuration(RunTime(stat->start_ticks, sysconf(_SC_CLK_TCK), SinceBoot()),
              response->mutable_running());
  SetDuration(ToMicroseconds(used.ru_utime) + ToMicroseconds(used.ru_stime),
              response->mutable_cpu_time());
  response->set_resident_bytes(stat->resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  for (const v1::Gateway& gateway : registry.List()) {
    response->set_gateways(response->gateways() + (gateway.connected() ? 1 : 0));
    response->set_decide_streams(response->decide_streams() + gateway.decide_streams());
  }
  peers(response->mutable_peers());
  return absl::OkStatus();
}

}  // namespace sluice::server
