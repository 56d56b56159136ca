#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {

// Gives out the marks of accepted connections, several a generation, so that a connection accepted
// in an earlier one is never taken for one of the present: a mark that connections may still bear
// is not given out before they have been rid of it. Not for several threads.
class Generations final {
 public:
  // Takes all marks of ours but these off the connections: SweepGenerations.
  using Sweep =
      std::function<absl::StatusOr<uint64_t>(uint32_t mask, const std::vector<uint32_t>& keep)>;
  // Without a `mask` (hook.connection_mark_mask) there are none.
  Generations(uint32_t mask, Sweep sweep) : mask_(mask), sweep_(std::move(sweep)) {}

  // Begins the next generation, without a mark.
  void Begin() { given_ = 0; }

  // One more mark for it. 0: none can be had.
  uint32_t Give();

  // Its marks.
  std::vector<uint32_t> given() const;

  // Sweeps if few are left, so that Give need not.
  void Prepare();

 private:
  // A new policy is applied faster than connections are swept, if there are many of both.
  static constexpr int kFew = 16;
  static_assert(kGenerations == 64);

  void MakeRoom();

  const uint32_t mask_;
  const Sweep sweep_;
  uint64_t given_ = 0;  // A bit a number.
  uint64_t clean_ = 0;  // Those that no connection bears.
  int next_ = 0;        // They are given in turn.
};

}  // namespace sluice::agent
