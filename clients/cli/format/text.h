#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli {

// How many columns of a terminal it takes, counting one for every character.
size_t DisplayWidth(std::string_view text);

// "850us", "12.3ms", "1.50s".
std::string FormatMicroseconds(uint64_t us);

// "4s", "3m20s", "5h07m", "12d04h".
std::string FormatAge(std::chrono::seconds age);

// The same for a time left, rounded up to whole seconds.
std::string FormatTimeLeft(const google::protobuf::Duration& left);

// "917", "12.3k", "4.56M": at most five characters.
std::string FormatCount(uint64_t count);

// In local time: "14:03:59.123" if within half a day of `now`, else "11-21 14:03:59"; "-" for none.
std::string FormatTime(const google::protobuf::Timestamp& time,
                       std::chrono::system_clock::time_point now);

// The time from `from` to `now`; 0 if `from` is later or not set.
std::chrono::seconds Age(const google::protobuf::Timestamp& from,
                         std::chrono::system_clock::time_point now);

}  // namespace sluice::cli
