#include "server/policy/engine/rule_scale.h"

#include <array>
#include <bit>

namespace sluice::server::policy {

RuleScale::RuleScale(const RuleBits* bits, const std::vector<uint32_t>& weights) : bits_(bits) {
  weights_.reserve(weights.size());
  std::vector<bool> heavy((weights.size() + RuleBits::kBits - 1) / RuleBits::kBits);
  for (size_t position = 0; position < weights.size(); ++position) {
    weights_.push_back(weights[bits->rule_at(position)]);
    if (weights_.back() > 0) heavy[position / RuleBits::kBits] = true;
  }
  heavy_.push_back(std::move(heavy));
  for (size_t height = 0; height < bits->height(); ++height) {
    const std::vector<bool>& below = heavy_.back();
    std::vector<bool> above((below.size() + RuleBits::kChildren - 1) / RuleBits::kChildren);
    for (size_t line = 0; line < below.size(); ++line) {
      if (below[line]) above[line / RuleBits::kChildren] = true;
    }
    heavy_.push_back(std::move(above));
  }
}

uint64_t RuleScale::Weigh(RuleBits::Id id, size_t height, size_t line) {
  if (id == RuleBits::kEmpty || !heavy_[height][line]) return 0;
  const std::pair<uint64_t, RuleBits::Id> key(uint64_t{height} << 32 | line, id);
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  const uint64_t sum = AddUp(id, height, line);
  if (kept_.size() >= kMostKept) kept_.clear();
  kept_.emplace(key, sum);
  return sum;
}

uint64_t RuleScale::AddUp(RuleBits::Id id, size_t height, size_t line) {
  uint64_t sum = 0;
  if (height == 0) {
    const RuleBits::Line& leaf = bits_->line(id);
    for (size_t i = 0; i < leaf.words.size(); ++i) {
      for (uint64_t word = leaf.words[i]; word != 0; word &= word - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(word));
        sum += weights_[line * RuleBits::kBits + 64 * i + bit];
      }
    }
    return sum;
  }
  const auto children =
      std::bit_cast<std::array<RuleBits::Id, RuleBits::kChildren>>(bits_->line(id));
  for (size_t i = 0; i < children.size(); ++i) {
    sum += Weigh(children[i], height - 1, line * RuleBits::kChildren + i);
  }
  return sum;
}

}  // namespace sluice::server::policy
