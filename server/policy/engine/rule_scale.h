#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/policy/engine/rule_bits.h"

namespace sluice::server::policy {

// Adds up what the rules of a set weigh. Sets share most of their lines, so sums of lines are kept
// for the next set. Used by one thread.
class RuleScale final {
 public:
  // `weights`: by rule. `bits` is not owned.
  RuleScale(const RuleBits* bits, const std::vector<uint32_t>& weights);

  uint64_t Weigh(RuleBits::Id set) { return Weigh(set, bits_->height(), 0); }

 private:
  // Bounds the memory, to about 26 MB, and 39 MB for the moment in which the table grows.
  static constexpr size_t kMostKept = 900'000;

  uint64_t Weigh(RuleBits::Id id, size_t height, size_t line);
  uint64_t AddUp(RuleBits::Id id, size_t height, size_t line);

  const RuleBits* const bits_;
  std::vector<uint32_t> weights_;  // By position.
  // By height, then by line of that height: whether any rule below it weighs something.
  std::vector<std::vector<bool>> heavy_;
  // By height and line, and the line's id.
  absl::flat_hash_map<std::pair<uint64_t, RuleBits::Id>, uint64_t> kept_;
};

}  // namespace sluice::server::policy
