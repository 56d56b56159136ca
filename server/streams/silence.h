#pragma once

#include <chrono>

#include "server/streams/ticker.h"

namespace sluice::server {

// Who says nothing for so long is taken for dead: decision.proto, command.proto, event.proto.
inline constexpr std::chrono::milliseconds kSilence{600};

// The same in ticks, of which the first may come at once.
inline constexpr int kSilentTicks = static_cast<int>(kSilence / Ticker::kPeriod) + 1;

}  // namespace sluice::server
