#include "server/policy/engine/rule_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace sluice::server::policy {
namespace {

RuleBits InOrder(size_t rules) {
  std::vector<uint32_t> order(rules);
  std::iota(order.begin(), order.end(), 0);
  return RuleBits(std::move(order));
}

constexpr auto kAnyRule = [](size_t) { return true; };

TEST(RuleBitsTest, NoRules) {
  RuleBits bits = InOrder(0);
  EXPECT_EQ(bits.all(), RuleBits::kEmpty);
  const RuleBits::Id sets[] = {bits.all()};
  EXPECT_EQ(bits.First(sets, kAnyRule), RuleBits::kNone);
}

TEST(RuleBitsTest, HeightFollowsTheNumberOfRules) {
  EXPECT_EQ(InOrder(1).height(), 0u);
  EXPECT_EQ(InOrder(512).height(), 0u);
  EXPECT_EQ(InOrder(513).height(), 1u);
  EXPECT_EQ(InOrder(8192).height(), 1u);
  EXPECT_EQ(InOrder(8193).height(), 2u);
  EXPECT_EQ(InOrder(1'000'000).height(), 3u);
}

TEST(RuleBitsTest, EqualSetsAreOne) {
  RuleBits bits = InOrder(10'000);
  RuleBitsWriter one(&bits), other(&bits);
  for (const size_t rule : {3, 700, 9999}) one.Set(rule, true);
  for (const size_t rule : {9999, 3, 5, 700}) other.Set(rule, true);
  EXPECT_NE(one.Write(), other.Write());
  other.Set(5, false);
  EXPECT_EQ(one.Write(), other.Write());
  for (const size_t rule : {3, 700, 9999}) one.Set(rule, false);
  EXPECT_EQ(one.Write(), RuleBits::kEmpty);
}

// Lines in a random order, rules ascending in each.
std::vector<uint32_t> Shuffled(size_t rules, std::mt19937& random) {
  std::vector<uint32_t> order(rules);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  for (size_t i = 0; i < rules; i += RuleBits::kBits) {
    std::sort(&order[i], order.data() + std::min(i + RuleBits::kBits, rules));
  }
  return order;
}

TEST(RuleBitsTest, TheFirstInCommon) {
  std::mt19937 random(1);
  for (const size_t rules : {1, 64, 512, 513, 9000, 140'000}) {
    const std::vector<uint32_t> order = Shuffled(rules, random);
    RuleBits bits(order);
    RuleBitsWriter writers[] = {RuleBitsWriter(&bits), RuleBitsWriter(&bits)};
    std::set<uint32_t> in[2];  // Holds rules; writers have positions.
    for (int round = 0; round < 200; ++round) {
      for (int set = 0; set < 2; ++set) {
        const size_t position = random() % rules;
        const bool present = in[set].insert(order[position]).second;
        if (!present) in[set].erase(order[position]);
        writers[set].Set(position, present);
        // Rules that the sets may have in common.
        in[set].insert(order[rules / 3 * 2]);
        writers[set].Set(rules / 3 * 2, true);
      }
      const RuleBits::Id sets[] = {writers[0].Write(), bits.all(), writers[1].Write()};
      const size_t passed_by = order[random() % rules];
      size_t expected = RuleBits::kNone;
      for (const uint32_t rule : in[0]) {
        if (rule == passed_by || !in[1].contains(rule)) continue;
        expected = rule;
        break;
      }
      ASSERT_EQ(bits.First(sets, [&](size_t rule) { return rule != passed_by; }), expected);
    }
  }
}

}  // namespace
}  // namespace sluice::server::policy
