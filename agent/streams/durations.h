#pragma once

#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <cstdint>

namespace sluice::agent {

// A duration from a peer in nanoseconds. Durations of over a century, either way, become one, so
// that adding some to a clock does not overflow; nanos that make no sense become sensible ones.
inline int64_t Nanoseconds(const google::protobuf::Duration& duration) {
  constexpr int64_t kSecond = 1'000'000'000;
  constexpr int64_t kCentury = int64_t{100} * 365 * 24 * 3600;
  return std::clamp<int64_t>(duration.seconds(), -kCentury, kCentury) * kSecond +
         std::clamp<int64_t>(duration.nanos(), 1 - kSecond, kSecond - 1);
}

}  // namespace sluice::agent
