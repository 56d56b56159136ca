#include "server/policy/engine/rule_scale.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace sluice::server::policy {
namespace {

TEST(RuleScaleTest, WeighsAsAPlainSum) {
  std::mt19937 random(1);
  for (const size_t rules : {1, 512, 513, 8193, 20'000}) {
    std::vector<uint32_t> order(rules);
    std::iota(order.begin(), order.end(), 0);
    std::vector<uint32_t> weights(rules);
    // Parts without any weight are passed by.
    for (size_t i = 0; i < rules; ++i) weights[i] = i % 5000 < 1000 ? random() % 100 : 0;
    RuleBits bits(order);
    RuleBitsWriter writer(&bits);
    std::vector<bool> present(rules);
    std::vector<RuleBits::Id> sets;
    std::vector<uint64_t> sums;
    for (int round = 0; round < 50; ++round) {
      for (int change = 0; change < 30; ++change) {
        const size_t rule = random() % rules;
        present[rule] = !present[rule];
        writer.Set(rule, present[rule]);
      }
      sets.push_back(writer.Write());
      uint64_t sum = 0;
      for (size_t i = 0; i < rules; ++i) sum += present[i] ? weights[i] : 0;
      sums.push_back(sum);
    }
    RuleScale scale(&bits, weights);
    for (size_t i = 0; i < sets.size(); ++i) EXPECT_EQ(scale.Weigh(sets[i]), sums[i]);
    EXPECT_EQ(scale.Weigh(bits.all()), std::accumulate(weights.begin(), weights.end(), 0ull));
  }
}

TEST(RuleScaleTest, WeighsByRuleWhateverTheirOrder) {
  RuleBits bits({2, 0, 1});
  RuleBitsWriter writer(&bits);
  writer.Set(0, true);
  writer.Set(2, true);
  const RuleBits::Id set = writer.Write();
  RuleScale scale(&bits, {1, 10, 100});
  EXPECT_EQ(scale.Weigh(set), 110u);
  EXPECT_EQ(scale.Weigh(RuleBits::kEmpty), 0u);
}

}  // namespace
}  // namespace sluice::server::policy
