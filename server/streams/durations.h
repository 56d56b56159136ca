#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::server {

// For durations from peers: clamped to 0 up to a day, so that sums do not overflow.
inline std::chrono::nanoseconds ToDuration(const google::protobuf::Duration& duration) {
  constexpr int64_t kDay = 24 * 3600;
  return std::chrono::seconds(std::clamp<int64_t>(duration.seconds(), 0, kDay)) +
         std::chrono::nanoseconds(std::clamp(duration.nanos(), 0, 999'999'999));
}

inline void SetDuration(std::chrono::nanoseconds value, google::protobuf::Duration* duration) {
  *duration =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(std::max<int64_t>(0, value.count()));
}

}  // namespace sluice::server
