#pragma once

#include <cstdint>

namespace sluice::loadgen {

// What the conversations say and what we allow, in nanoseconds.
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1000 * kMillisecond;
constexpr int64_t kHeartbeatInterval = 200 * kMillisecond;
constexpr int64_t kSilence = 600 * kMillisecond;
// Agents send their counters every second.
constexpr int64_t kStatsInterval = kSecond;
// Agents give a server half a second to connect and half a second to welcome them, and try again.
// We try once, and a thousand come together.
constexpr int64_t kWelcomeTimeout = 10 * kSecond;
// Agents wait 50 ms unless told otherwise. An overloaded server is to be seen by its round trips
// first, by packets it left unanswered only where it is hopeless.
constexpr int64_t kDeadline = kSecond;

}  // namespace sluice::loadgen
