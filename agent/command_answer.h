#pragma once

#include <functional>
#include <utility>

#include "sluice/v1/command.pb.h"

namespace sluice::agent {

// What a command is answered with, a reply at a time, made when there is room to send it: fills the
// next; `id` and `last` are set by the caller. True: it was the last.
using CommandAnswer = std::function<bool(v1::CommandReply& reply)>;

// The one reply that is known already.
inline CommandAnswer Answer(v1::CommandReply reply) {
  return [reply = std::move(reply)](v1::CommandReply& next) mutable {
    next.Swap(&reply);
    return true;
  };
}

}  // namespace sluice::agent
