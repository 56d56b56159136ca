// The classifier must agree with the matcher about any policy and any packet. The seeds are fixed,
// so that what fails once fails again.
#include "server/policy/engine/classifier.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/policy_generator.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/engine/matcher.h"

namespace sluice::server::policy {
namespace {

void Compare(size_t rules, uint32_t spread, uint32_t seed, int packets) {
  PolicyGenerator generator(seed, spread);
  const std::string text = generator.Policy(rules);
  const CheckedPolicy policy = ReadGenerated(text);
  const Classifier classifier(policy.rules);
  const Matcher matcher(policy.rules);
  for (int i = 0; i < packets; ++i) {
    const v1::Packet packet = generator.Packet();
    const PacketView view = ViewPacket(packet);
    ASSERT_EQ(classifier.FirstMatch(view), matcher.FirstMatch(view))
        << "seed " << seed << "\n"
        << (rules < 20 ? text : "") << packet.ShortDebugString();
  }
}

TEST(ClassifierTest, SaysWhatTheMatcherSaysOfFewRules) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Compare(seed % 12, 4, seed, 100));
  }
}

// Around the sizes at which a set of rules gets another level.
TEST(ClassifierTest, SaysWhatTheMatcherSaysOfManyRules) {
  uint32_t seed = 1000;
  for (const size_t rules : {511, 512, 513, 1025, 8192, 8193, 9000}) {
    for (const uint32_t spread : {16, 4096}) {
      ASSERT_NO_FATAL_FAILURE(Compare(rules, spread, seed++, 200));
    }
  }
}

// No packet meets rules that together cost more than is said.
TEST(ClassifierTest, KnowsTheMostStepsThatAPacketMayCost) {
  for (const size_t rules : {10, 200, 1000, 9000}) {
    PolicyGenerator generator(static_cast<uint32_t>(rules), rules < 1000 ? 16 : 4096);
    const CheckedPolicy policy = ReadGenerated(generator.Policy(rules));
    const Classifier classifier(policy.rules);
    const std::vector<uint32_t> by_rule = classifier.StepsByRule();
    const uint64_t most = classifier.MostSteps(0);
    const uint64_t all = classifier.MostSteps(UINT64_MAX);
    EXPECT_EQ(all, std::accumulate(by_rule.begin(), by_rule.end(), uint64_t{0}));
    EXPECT_LE(most, all);
    EXPECT_GT(most, 0u);
    for (int i = 0; i < 500; ++i) {
      uint64_t steps = 0;
      classifier.FirstOf(ViewPacket(generator.Packet()), [&](size_t rule) {
        steps += by_rule[rule];
        return false;
      });
      ASSERT_LE(steps, most) << rules;
    }
  }
}

// Rules of which hardly one applies to a packet, so that the search passes all of them.
TEST(ClassifierTest, PassesByRulesThatDoNotApply) {
  std::string text;
  for (int i = 0; i < 9000; ++i) {
    absl::StrAppend(&text, "from host 192.0.2.1 to host 198.51.", i / 250, ".", i % 250,
                    " tcp port 25 accept;\n");
  }
  const CheckedPolicy policy = ReadGenerated(text);
  const Classifier classifier(policy.rules);
  EXPECT_EQ(classifier.FirstMatch(ViewPacket(Tcp("192.0.2.1", 1, "198.51.35.249", 25))), 8999u);
  EXPECT_EQ(classifier.FirstMatch(ViewPacket(Tcp("192.0.2.1", 1, "198.51.35.249", 26))),
            Classifier::kNone);
  EXPECT_EQ(classifier.FirstMatch(ViewPacket(Tcp("192.0.2.2", 1, "198.51.35.249", 25))),
            Classifier::kNone);
  // What all rules have in common is stored once: 9,000 rules do not take 9,000 times 9,000 bits.
  EXPECT_LT(classifier.memory(), size_t{4} << 20);
}

}  // namespace
}  // namespace sluice::server::policy
