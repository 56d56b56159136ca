#pragma once

#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::server {

// Of what peers send: never negative, at most a day, so that sums do not overflow.
inline std::chrono::nanoseconds ToDuration(const google::protobuf::Duration& duration) {
  constexpr int64_t kDay = 24 * 3600;
  return std::chrono::seconds(std::clamp<int64_t>(duration.seconds(), 0, kDay)) +
         std::chrono::nanoseconds(std::clamp(duration.nanos(), 0, 999'999'999));
}

inline void SetDuration(std::chrono::nanoseconds value, google::protobuf::Duration* duration) {
  const int64_t ns = std::max<int64_t>(0, value.count());
  duration->set_seconds(ns / 1'000'000'000);
  duration->set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
}

}  // namespace sluice::server
