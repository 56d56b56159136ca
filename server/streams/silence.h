#pragma once

#include <chrono>

#include "server/streams/ticker.h"

namespace sluice::server {

// A peer that sends nothing for this long is taken for dead (decision.proto, command.proto,
// event.proto).
inline constexpr std::chrono::milliseconds kSilence{600};

// The same in ticks. One more, because the first tick may come at once.
inline constexpr int kSilentTicks = static_cast<int>(kSilence / Ticker::kPeriod) + 1;

}  // namespace sluice::server
