#include "clients/cli/format/text.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <ctime>

namespace sluice::cli {

size_t DisplayWidth(std::string_view text) {
  // Counts all bytes except UTF-8's continuation bytes.
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

std::string FormatMicroseconds(uint64_t us) {
  if (us < 1000) return absl::StrFormat("%dus", us);
  if (us < 1'000'000) return absl::StrFormat("%.1fms", static_cast<double>(us) / 1e3);
  return absl::StrFormat("%.2fs", static_cast<double>(us) / 1e6);
}

std::string FormatAge(std::chrono::seconds age) {
  const int64_t s = age.count();
  if (s < 60) return absl::StrFormat("%ds", s);
  if (s < 3600) return absl::StrFormat("%dm%02ds", s / 60, s % 60);
  if (s < 86400) return absl::StrFormat("%dh%02dm", s / 3600, s / 60 % 60);
  return absl::StrFormat("%dd%02dh", s / 86400, s / 3600 % 24);
}

std::string FormatTimeLeft(const google::protobuf::Duration& left) {
  return FormatAge(std::chrono::seconds(left.seconds() + (left.nanos() > 0 ? 1 : 0)));
}

std::string FormatCount(uint64_t count) {
  if (count < 10'000) return absl::StrFormat("%d", count);
  double scaled = static_cast<double>(count);
  for (const char* unit : {"k", "M", "G", "T", "P"}) {
    scaled /= 1000;
    if (scaled < 9.995) return absl::StrFormat("%.2f%s", scaled, unit);
    if (scaled < 99.95) return absl::StrFormat("%.1f%s", scaled, unit);
    if (scaled < 999.5) return absl::StrFormat("%.0f%s", scaled, unit);
  }
  return absl::StrFormat("%.0fE", scaled / 1000);
}

std::string FormatTime(const google::protobuf::Timestamp& time,
                       std::chrono::system_clock::time_point now) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  const std::time_t seconds = time.seconds();
  std::tm local;
  if (!localtime_r(&seconds, &local)) return "?";  // the year does not fit an int
  const int64_t distance = seconds - std::chrono::system_clock::to_time_t(now);
  constexpr int64_t kHalfADay = 43'200;
  if (distance > kHalfADay || distance < -kHalfADay) {
    return absl::StrFormat("%02d-%02d %02d:%02d:%02d", local.tm_mon + 1, local.tm_mday,
                           local.tm_hour, local.tm_min, local.tm_sec);
  }
  return absl::StrFormat("%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
                         time.nanos() / 1'000'000);
}

std::chrono::seconds Age(const google::protobuf::Timestamp& from,
                         std::chrono::system_clock::time_point now) {
  if (from.seconds() <= 0) return std::chrono::seconds(0);
  const int64_t age = std::chrono::system_clock::to_time_t(now) - from.seconds();
  return std::chrono::seconds(std::max<int64_t>(age, 0));
}

}  // namespace sluice::cli
