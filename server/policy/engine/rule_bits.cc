#include "server/policy/engine/rule_bits.h"

#include <algorithm>
#include <utility>

namespace sluice::server::policy {
namespace {

uint64_t Mix(uint64_t value) {  // The finaliser of SplitMix64.
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

uint64_t Hash(const RuleBits::Line& line) {
  uint64_t hash = 0;
  for (const uint64_t word : line.words) hash = Mix(hash ^ word) + 0x9e3779b97f4a7c15;
  return hash;
}

// Marks a free slot; no line has this id.
constexpr RuleBits::Id kFree = UINT32_MAX;

void SetChild(RuleBits::Line& line, size_t child, RuleBits::Id id) {
  auto children = std::bit_cast<std::array<RuleBits::Id, RuleBits::kChildren>>(line);
  children[child] = id;
  line = std::bit_cast<RuleBits::Line>(children);
}

}  // namespace

RuleBits::RuleBits(std::vector<uint32_t> order) : order_(std::move(order)), slots_(64, kFree) {
  for (size_t covered = kBits; covered < order_.size(); covered *= kChildren) ++height_;
  std::vector<uint32_t> firsts;
  for (size_t i = 0; i < order_.size(); i += kBits) firsts.push_back(order_[i]);
  for (size_t height = 0; height < height_; ++height) {
    std::vector<uint32_t> above((firsts.size() + kChildren - 1) / kChildren, UINT32_MAX);
    for (size_t i = 0; i < firsts.size(); ++i) {
      above[i / kChildren] = std::min(above[i / kChildren], firsts[i]);
    }
    firsts_.push_back(std::move(firsts));
    firsts = std::move(above);
  }
  Intern(Line{});
  RuleBitsWriter writer(this);
  for (size_t position = 0; position < order_.size(); ++position) writer.Set(position, true);
  all_ = writer.Write();
}

RuleBits::Id RuleBits::Intern(const Line& line) {
  if (lines_.size() * 2 >= slots_.size()) Grow();
  const size_t mask = slots_.size() - 1;
  for (size_t slot = Hash(line) & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == kFree) {
      slots_[slot] = static_cast<Id>(lines_.size());
      lines_.push_back(line);
      return slots_[slot];
    }
    if (lines_[slots_[slot]] == line) return slots_[slot];
  }
}

void RuleBits::Grow() {
  slots_.assign(slots_.size() * 2, kFree);
  const size_t mask = slots_.size() - 1;
  for (Id id = 0; id < lines_.size(); ++id) {
    size_t slot = Hash(lines_[id]) & mask;
    while (slots_[slot] != kFree) slot = (slot + 1) & mask;
    slots_[slot] = id;
  }
}

void RuleBits::Seal() {
  slots_ = {};
  lines_.shrink_to_fit();
}

RuleBitsWriter::RuleBitsWriter(RuleBits* bits) : bits_(bits) {
  size_t lines = std::max<size_t>(1, (bits->rules() + RuleBits::kBits - 1) / RuleBits::kBits);
  for (size_t height = 0; height <= bits->height(); ++height) {
    levels_.push_back({std::vector<RuleBits::Line>(lines), std::vector<bool>(lines), {}});
    lines = (lines + RuleBits::kChildren - 1) / RuleBits::kChildren;
  }
}

void RuleBitsWriter::Touch(Level& level, size_t line) {
  if (level.touched[line]) return;
  level.touched[line] = true;
  level.touched_lines.push_back(static_cast<uint32_t>(line));
}

void RuleBitsWriter::Set(size_t position, bool present) {
  Level& leaves = levels_.front();
  const size_t line = position / RuleBits::kBits;
  uint64_t& word = leaves.lines[line].words[position % RuleBits::kBits / 64];
  const uint64_t bit = uint64_t{1} << position % 64;
  if (((word & bit) != 0) == present) return;
  word ^= bit;
  Touch(leaves, line);
}

RuleBits::Id RuleBitsWriter::Write() {
  for (size_t height = 0; height < levels_.size(); ++height) {
    Level& level = levels_[height];
    for (const uint32_t line : level.touched_lines) {
      const RuleBits::Id id = bits_->Intern(level.lines[line]);
      level.touched[line] = false;
      if (height + 1 == levels_.size()) {
        written_ = id;
      } else {
        Level& above = levels_[height + 1];
        SetChild(above.lines[line / RuleBits::kChildren], line % RuleBits::kChildren, id);
        Touch(above, line / RuleBits::kChildren);
      }
    }
    level.touched_lines.clear();
  }
  return written_;
}

}  // namespace sluice::server::policy
