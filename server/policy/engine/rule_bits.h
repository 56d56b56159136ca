#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::server::policy {

// Many sets of rules that differ little from each other, stored so that the first rule common to
// some of them is found fast: the bit vectors of Lakshman and Stiliadis (SIGCOMM 1998) with the
// aggregation of Baboescu and Varghese (SIGCOMM 2001). A set is a tree of cache lines: a leaf has a
// bit for each of 512 rules, a line above it the ids of 16 lines below. Equal lines are stored
// once, so a set that differs from another in one rule costs one line per level. Line 0, all zeros,
// is the empty set of any height: where one of the sets has it, the search skips the rules below
// it. To have many such lines, rules are put in an order that brings similar rules together
// (OrderRules). Sets are made of the rules' positions in that order. Filled by RuleBitsWriter; then
// immutable, for any number of threads.
class RuleBits final {
 public:
  using Id = uint32_t;
  static constexpr Id kEmpty = 0;
  static constexpr size_t kNone = SIZE_MAX;

  struct alignas(64) Line {
    std::array<uint64_t, 8> words{};
    bool operator==(const Line&) const = default;
  };
  static constexpr size_t kBits = 512;     // of a leaf
  static constexpr size_t kChildren = 16;  // of a line above leaves

  // `order`: which rule is at each position; the 512 rules of a leaf must ascend.
  explicit RuleBits(std::vector<uint32_t> order);

  // Most sets of one search: source, destination, protocol, two ports, two groups and state.
  static constexpr size_t kMostSets = 8;

  // The first rule that is in all of `sets` (1 to kMostSets of them) and for which `confirm(rule)`
  // holds; else kNone.
  template <typename Confirm>
  size_t First(std::span<const Id> sets, const Confirm& confirm) const;

  // The set of all rules.
  Id all() const { return all_; }
  size_t rules() const { return order_.size(); }
  // Number of levels above the leaves.
  size_t height() const { return height_; }
  // Which rule is at this position.
  uint32_t rule_at(size_t position) const { return order_[position]; }
  const Line& line(Id id) const { return lines_[id]; }
  // How many bytes its lines take.
  size_t memory() const { return lines_.capacity() * sizeof(Line); }

  // The id of a line equal to this one, which is added if there is none.
  Id Intern(const Line& line);
  // Frees what Intern needs, once all lines are in.
  void Seal();

 private:
  template <typename Confirm>
  void SearchLine(std::span<const Id> sets, size_t height, size_t line, const Confirm& confirm,
                  size_t& first) const;
  template <typename Confirm>
  void SearchLeaf(std::span<const Id> sets, size_t line, const Confirm& confirm,
                  size_t& first) const;

  void Grow();

  const std::vector<uint32_t> order_;
  // By height, then by line of that height: the lowest rule below it.
  std::vector<std::vector<uint32_t>> firsts_;
  size_t height_ = 0;
  Id all_ = kEmpty;
  std::vector<Line> lines_;
  std::vector<Id> slots_;  // Open addressing by content; empty once sealed.
};

// One set of positions that changes bit by bit and is stored in RuleBits at each Write. Write only
// looks at the lines touched since the last one.
class RuleBitsWriter final {
 public:
  explicit RuleBitsWriter(RuleBits* bits /* Not owned. */);

  void Set(size_t position, bool present);
  RuleBits::Id Write();

 private:
  struct Level {
    std::vector<RuleBits::Line> lines;
    std::vector<bool> touched;
    std::vector<uint32_t> touched_lines;
  };

  void Touch(Level& level, size_t line);

  RuleBits* const bits_;
  std::vector<Level> levels_;  // Leaves first; the last has one line.
  RuleBits::Id written_ = RuleBits::kEmpty;
};

template <typename Confirm>
void RuleBits::SearchLeaf(std::span<const Id> sets, size_t line, const Confirm& confirm,
                          size_t& first) const {
  Line common = lines_[sets[0]];
  for (const Id set : sets.subspan(1)) {
    const Line& other = lines_[set];
    for (size_t i = 0; i < common.words.size(); ++i) common.words[i] &= other.words[i];
  }
  for (size_t i = 0; i < common.words.size(); ++i) {
    for (uint64_t word = common.words[i]; word != 0; word &= word - 1) {
      const size_t bit = 64 * i + static_cast<size_t>(std::countr_zero(word));
      const size_t rule = order_[line * kBits + bit];
      if (rule > first) return;
      if (!confirm(rule)) continue;
      first = rule;
      return;
    }
  }
}

template <typename Confirm>
void RuleBits::SearchLine(std::span<const Id> sets, size_t height, size_t line,
                          const Confirm& confirm, size_t& first) const {
  if (height == 0) return SearchLeaf(sets, line, confirm, first);
  using Children = std::array<Id, kChildren>;
  std::array<Children, kMostSets> children;
  Children common;
  common.fill(1);
  for (size_t set = 0; set < sets.size(); ++set) {
    children[set] = std::bit_cast<Children>(lines_[sets[set]]);
    for (size_t i = 0; i < kChildren; ++i) common[i] &= children[set][i] != kEmpty;
  }
  for (size_t i = 0; i < kChildren; ++i) {
    const size_t below = line * kChildren + i;
    if (common[i] == 0 || firsts_[height - 1][below] > first) continue;
    std::array<Id, kMostSets> next;
    for (size_t set = 0; set < sets.size(); ++set) next[set] = children[set][i];
    SearchLine(std::span<const Id>(next.data(), sets.size()), height - 1, below, confirm, first);
  }
}

template <typename Confirm>
size_t RuleBits::First(std::span<const Id> sets, const Confirm& confirm) const {
  size_t first = kNone;
  SearchLine(sets, height_, 0, confirm, first);
  return first;
}

}  // namespace sluice::server::policy
