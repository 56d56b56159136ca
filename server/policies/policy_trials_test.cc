#include "server/policies/policy_trials.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

std::shared_ptr<const RuleSet> Compile(const std::string& text) {
  const RuleSet::Compiled compiled = RuleSet::Compile(text);
  EXPECT_TRUE(compiled.problems.empty());
  return compiled.rules;
}

// A batch of UDP packets to these ports.
v1::PacketBatch Batch(const std::vector<uint32_t>& ports) {
  v1::PacketBatch batch;
  for (const uint32_t port : ports) {
    v1::Packet* const packet = batch.add_packets();
    packet->set_family(v1::FAMILY_IPV4);
    packet->set_payload("not shown");
    packet->set_transaction_id(port);
    v1::Headers* const headers = packet->mutable_headers();
    headers->set_source("\x0a\1\1\1");
    headers->set_destination("\x0a\1\1\2");
    headers->set_protocol(17);
    headers->set_source_port(1000);
    headers->set_destination_port(port);
  }
  return batch;
}

std::vector<Ruling> Decide(const RuleSet& rules, const v1::PacketBatch& batch) {
  std::vector<Ruling> rulings;
  for (const v1::Packet& packet : batch.packets()) rulings.push_back(rules.Decide(packet));
  return rulings;
}

class PolicyTrialsTest : public testing::Test {
 protected:
  void Put(const std::string& gateway, const std::vector<uint32_t>& ports, uint64_t version = 1) {
    const v1::PacketBatch batch = Batch(ports);
    trials_.Compare(gateway, batch, Decide(*live_, batch), version);
  }

  std::shared_ptr<const RuleSet> live_ = Compile(
      "from any to any udp port 53 accept;\nfrom any to any udp port 80 reject log;\n"
      "default reject;");
  PolicyTrials trials_;
};

TEST_F(PolicyTrialsTest, CountsWhatDiffers) {
  const auto trial = trials_.Begin(
      Compile("from any to any udp port 80 accept;\nfrom any to any udp port 53 accept;"), {});
  Put("gw1", {53, 53, 80, 9, 80}, 7);
  Put("gw2", {80});
  v1::TryPolicyResponse response = trial->Take();
  EXPECT_EQ(response.packets(), 6u);
  EXPECT_EQ(response.differing(), 3u);
  EXPECT_EQ(response.policy_version(), 1u);
  ASSERT_EQ(response.differences_size(), 2) << "another version's rule is another kind";
  const v1::PolicyDifference& most = response.differences(0);
  EXPECT_EQ(most.packets(), 2u);
  EXPECT_EQ(most.gateway(), "gw1");
  EXPECT_EQ(most.example().transaction_id(), 80u);
  EXPECT_EQ(most.example().payload(), "");
  EXPECT_EQ(most.live().action(), v1::ACTION_DROP);
  EXPECT_TRUE(most.live().logged());
  EXPECT_EQ(most.live().reason(), "rule 2, line 2");
  EXPECT_EQ(most.tried().action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(most.tried().rule(), 1u);
  Put("gw2", {80});
  response = trial->Take();
  EXPECT_EQ(response.differing(), 4u);
  ASSERT_EQ(response.differences_size(), 1) << "the other one has not changed";
  EXPECT_EQ(response.differences(0).gateway(), "gw2");
  EXPECT_EQ(response.differences(0).packets(), 2u);
}

TEST_F(PolicyTrialsTest, OnlyOfTheGatewaysMeant) {
  const auto trial = trials_.Begin(Compile("default accept;"), {"gw2"});
  Put("gw1", {9});
  Put("gw2", {9, 9});
  EXPECT_EQ(trial->Take().packets(), 2u);
}

TEST_F(PolicyTrialsTest, SeveralAtOnceAndNotTooMany) {
  std::vector<std::shared_ptr<PolicyTrial>> begun;
  for (size_t i = 0; i < PolicyTrials::kMost; ++i) {
    begun.push_back(trials_.Begin(Compile("default accept;"), {}));
    ASSERT_NE(begun.back(), nullptr);
  }
  EXPECT_EQ(trials_.Begin(live_, {}), nullptr);
  trials_.End(begun.back());
  Put("gw1", {9});
  EXPECT_EQ(begun.front()->Take().differing(), 1u);
  EXPECT_EQ(begun.back()->Take().packets(), 0u);
  EXPECT_NE(trials_.Begin(live_, {}), nullptr);
}

TEST_F(PolicyTrialsTest, KindsAreBounded) {
  std::string text;
  std::vector<uint32_t> ports;
  for (uint32_t port = 1000; port < 2010; ++port) {
    absl::StrAppend(&text, "from any to any udp port ", port, " accept;\n");
    ports.push_back(port);
  }
  const auto trial = trials_.Begin(Compile(text), {});
  Put("gw1", ports);
  const v1::TryPolicyResponse response = trial->Take();
  EXPECT_EQ(response.differing(), 1010u);
  EXPECT_EQ(response.others(), 10u);
  EXPECT_EQ(response.differences_size(), 100);
  EXPECT_EQ(trial->Take().differences_size(), 100) << "those there was no room for";
}

}  // namespace
}  // namespace sluice::server
