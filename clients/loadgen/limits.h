#pragma once

#include <cstdint>

namespace sluice::loadgen {

// The times of the protocol, and our own limits, in nanoseconds.
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1000 * kMillisecond;
constexpr int64_t kHeartbeatInterval = 200 * kMillisecond;
constexpr int64_t kSilence = 600 * kMillisecond;
// Agents send their counters every second.
constexpr int64_t kStatsInterval = kSecond;
// Real agents wait half a second for the connection and half a second for the welcome, and try
// again. We try only once, and a thousand agents come together.
constexpr int64_t kWelcomeTimeout = 10 * kSecond;
// Real agents wait 50 ms by default. Here a longer wait lets an overloaded server show in its round
// trips first, and in unanswered packets only if it cannot keep up at all.
constexpr int64_t kDeadline = kSecond;

}  // namespace sluice::loadgen
