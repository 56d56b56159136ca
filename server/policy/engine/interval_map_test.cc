#include "server/policy/engine/interval_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "server/policy/engine/interval_sweep.h"

namespace sluice::server::policy {
namespace {

TEST(IntervalMapTest, FindsTheIntervalAKeyIsIn) {
  for (uint32_t intervals = 1; intervals < 40; ++intervals) {
    IntervalMap<uint32_t> map;
    for (uint32_t i = 0; i < intervals; ++i) map.Add(10 * i, i + 1);
    map.Seal();
    for (uint32_t i = 0; i < intervals; ++i) {
      EXPECT_EQ(map.Find(10 * i), i + 1);
      EXPECT_EQ(map.Find(10 * i + 9), i + 1);
    }
    EXPECT_EQ(map.Find(UINT32_MAX), intervals);
  }
}

// Some close together, some far apart, up to the last key.
TEST(IntervalMapTest, UnevenIntervals) {
  std::vector<uint16_t> starts = {0, 300, 301, 302, 310, 65535};
  for (uint32_t i = 20'000; i < 20'100; ++i) starts.push_back(static_cast<uint16_t>(i));
  for (uint32_t i = 21'000; i < 60'000; i += 1000) starts.push_back(static_cast<uint16_t>(i));
  std::sort(starts.begin(), starts.end());
  IntervalMap<uint16_t> map;
  for (uint32_t i = 0; i < starts.size(); ++i) map.Add(starts[i], i + 1);
  map.Seal();
  uint32_t expected = 0;
  for (uint32_t key = 0; key <= 65535; ++key) {
    if (expected < starts.size() && key == starts[expected]) ++expected;
    ASSERT_EQ(map.Find(static_cast<uint16_t>(key)), expected) << key;
  }
}

bool Has(const RuleBits& bits, RuleBits::Id set, size_t rule) {
  const RuleBits::Id sets[] = {set};
  return bits.First(sets, [&](size_t i) { return i == rule; }) == rule;
}

TEST(IntervalSweepTest, TellsWhichTermsHold) {
  using Interval = SweptInterval<uint8_t>;
  // Touching, overlapping and nested intervals, up to both ends of the keys.
  const std::vector<Interval> intervals = {{0, 9, 0},     {10, 19, 0}, {15, 30, 1}, {20, 25, 1},
                                           {200, 255, 1}, {7, 7, 2},   {0, 255, 3}, {8, 8, 3}};
  const std::vector<SweptTerm> terms = {{false, {0}}, {false, {1, 4}}, {true, {2}}, {false, {3}}};
  RuleBits bits({0, 1, 2, 3, 4, 5});
  RuleBitsWriter anything(&bits);
  anything.Set(5, true);
  const IntervalMap<uint8_t> map = IntervalSweep<uint8_t>(terms, anything).Run(intervals);
  for (int key = 0; key < 256; ++key) {
    const RuleBits::Id set = map.Find(static_cast<uint8_t>(key));
    for (uint32_t term = 0; term < terms.size(); ++term) {
      bool inside = false;
      for (const Interval& interval : intervals) {
        inside |= interval.term == term && key >= interval.low && key <= interval.high;
      }
      for (const uint32_t rule : terms[term].rules) {
        ASSERT_EQ(Has(bits, set, rule), inside != terms[term].negated) << key << " " << rule;
      }
    }
    ASSERT_TRUE(Has(bits, set, 5));
  }
}

TEST(IntervalSweepTest, NoIntervals) {
  RuleBits bits({0, 1});
  const std::vector<SweptTerm> terms = {{true, {1}}};
  const auto map = IntervalSweep<uint32_t>(terms, RuleBitsWriter(&bits)).Run({});
  EXPECT_TRUE(Has(bits, map.Find(0), 1));
  EXPECT_FALSE(Has(bits, map.Find(0), 0));
}

}  // namespace
}  // namespace sluice::server::policy
