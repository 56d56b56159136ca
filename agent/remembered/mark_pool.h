#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/mark_bits.h"

namespace sluice::agent {

// Gives out the marks of accepted connections, several in each generation. A connection accepted in
// an earlier generation is never taken for one of the present: a mark that connections may still
// bear is not given out before it has been cleared from them. Not for several threads.
class MarkPool final {
 public:
  // Clears all marks of ours but `keep` from the connections: SweepMarks.
  using Sweep =
      std::function<absl::StatusOr<uint64_t>(uint32_t mask, const std::vector<uint32_t>& keep)>;
  // Without a `mask` (hook.connection_mark_mask) there are none.
  MarkPool(uint32_t mask, Sweep sweep) : mask_(mask), sweep_(std::move(sweep)) {}

  // Begins the next generation, without a mark.
  void Begin() { given_ = 0; }

  // One more mark for this generation. 0: there is none.
  uint32_t Give();

  // The marks of this generation.
  std::vector<uint32_t> given() const;

  // Sweeps if few marks are left, so that Give need not.
  void Prepare();

 private:
  // Few enough to sweep: with many connections and many new policies, policies are applied faster
  // than connections are swept.
  static constexpr int kFew = 16;
  static_assert(kConnectionMarkCount == 64);

  void MakeRoom();

  const uint32_t mask_;
  const Sweep sweep_;
  uint64_t given_ = 0;  // A bit for each number.
  uint64_t clean_ = 0;  // Those that no connection bears.
  int next_ = 0;        // Numbers are given in turn.
};

}  // namespace sluice::agent
