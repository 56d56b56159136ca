#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/policy/engine/interval_map.h"
#include "server/policy/engine/rule_bits.h"

namespace sluice::server::policy {

// What some rules say about a number, in the same words: that it is in one of some intervals, or in
// none of them.
struct SweptTerm {
  bool negated = false;
  std::vector<uint32_t> rules;
};

// Keys from `low` to `high`, of one term. Intervals of one term may overlap.
template <typename Key>
struct SweptInterval {
  Key low;
  Key high;
  uint32_t term;
};

// Goes along the keys once and finds, for each stretch between two ends of intervals, which rules
// match there. `writer` has the rules that have no term here; it must not have the others. If the
// same terms hold in several stretches, such as all those of a set of addresses, their rules are
// worked out once.
template <typename Key>
class IntervalSweep final {
 public:
  IntervalSweep(const std::vector<SweptTerm>& terms, RuleBitsWriter writer)
      : terms_(terms), writer_(std::move(writer)), inside_(terms.size()), shown_(terms.size()) {
    for (const SweptTerm& term : terms_) {
      for (const uint32_t rule : term.rules) writer_.Set(rule, term.negated);
    }
  }

  IntervalMap<Key> Run(const std::vector<SweptInterval<Key>>& intervals) {
    struct Edge {
      Key at;
      uint32_t term;
      bool enters;
    };
    std::vector<Edge> edges;
    edges.reserve(2 * intervals.size());
    for (const SweptInterval<Key>& interval : intervals) {
      edges.push_back({interval.low, interval.term, true});
      if (interval.high != static_cast<Key>(~Key{0})) {
        edges.push_back({static_cast<Key>(interval.high + 1), interval.term, false});
      }
    }
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

    IntervalMap<Key> map;
    if (edges.empty() || edges.front().at != 0) map.Add(0, Here());
    for (size_t i = 0; i < edges.size();) {
      const Key at = edges[i].at;
      for (; i < edges.size() && edges[i].at == at; ++i) Cross(edges[i].term, edges[i].enters);
      map.Add(at, Here());
    }
    map.Seal();
    return map;
  }

 private:
  // The terms that the current key is inside of, as the exclusive or of a random number for each
  // (Zobrist). With 128 bits, two different sets of terms do not get the same value in practice.
  using State = std::pair<uint64_t, uint64_t>;
  struct StateHash {
    size_t operator()(const State& state) const { return state.first; }
  };

  static uint64_t Random(uint64_t seed) {  // SplitMix64
    seed = (seed + 1) * 0x9e3779b97f4a7c15;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111eb;
    return seed ^ seed >> 31;
  }

  void Cross(uint32_t term, bool enters) {
    const uint32_t before = inside_[term];
    inside_[term] = enters ? before + 1 : before - 1;
    if ((before != 0) == (inside_[term] != 0)) return;
    state_.first ^= Random(2 * uint64_t{term});
    state_.second ^= Random(2 * uint64_t{term} + 1);
    crossed_.push_back(term);
  }

  RuleBits::Id Here() {
    const auto [known, is_new] = known_.emplace(state_, RuleBits::kEmpty);
    if (!is_new) return known->second;
    for (const uint32_t term : crossed_) {
      const bool inside = inside_[term] != 0;
      if (shown_[term] == inside) continue;
      shown_[term] = inside;
      for (const uint32_t rule : terms_[term].rules) {
        writer_.Set(rule, inside != terms_[term].negated);
      }
    }
    crossed_.clear();
    return known->second = writer_.Write();
  }

  const std::vector<SweptTerm>& terms_;
  RuleBitsWriter writer_;
  std::vector<uint32_t> inside_;   // By term: how many of its intervals are open here.
  std::vector<bool> shown_;        // By term: whether writer_ has it as inside.
  std::vector<uint32_t> crossed_;  // Terms that shown_ may be wrong about.
  State state_;
  std::unordered_map<State, RuleBits::Id, StateHash> known_;
};

}  // namespace sluice::server::policy
