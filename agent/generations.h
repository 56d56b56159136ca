#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {

// Numbers the generations of accepted connections, so that a connection accepted in an earlier one
// is never taken for one of the present: a number that connections may still bear is not given out
// before they have been rid of it. Not for several threads.
class Generations final {
 public:
  // Takes the marks of all generations but this off the connections: SweepGenerations.
  using Sweep = std::function<absl::StatusOr<uint64_t>(uint32_t mask, uint32_t keep)>;
  // Without a `mask` (hook.connection_mark_mask) there are none.
  Generations(uint32_t mask, Sweep sweep) : mask_(mask), sweep_(std::move(sweep)) {}

  // The next generation's mark. 0: none can be had, and no accepted connection be remembered.
  uint32_t Next();

  // The generation now.
  uint32_t current() const { return current_; }

  // Sweeps if few numbers are left, so that the next need not.
  void Prepare();

 private:
  // A new policy is applied faster than connections are swept, if there are many of both.
  static constexpr uint32_t kFew = 16;

  void MakeRoom();

  const uint32_t mask_;
  const Sweep sweep_;
  uint32_t current_ = 0;
  uint32_t number_ = 0;  // Of the next.
  uint32_t free_ = 0;    // Numbers from number_ on, in a ring, that no connection bears.
};

}  // namespace sluice::agent
