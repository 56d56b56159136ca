#pragma once

#include <functional>
#include <utility>

#include "sluice/v1/command.pb.h"

namespace sluice::agent {

// Answers a command, one reply at a time, each made when there is room to send it. Fills in
// `reply`, except `id` and `last`, which the caller sets. Returns true if it was the last.
using CommandAnswer = std::function<bool(v1::CommandReply& reply)>;

// An answer of one reply that is known already.
inline CommandAnswer Answer(v1::CommandReply reply) {
  return [reply = std::move(reply)](v1::CommandReply& next) mutable {
    next.Swap(&reply);
    return true;
  };
}

}  // namespace sluice::agent
