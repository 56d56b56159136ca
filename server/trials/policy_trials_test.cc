#include "server/trials/policy_trials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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

// A trial alone, with a clock that the test sets.
class PolicyTrialTest : public testing::Test {
 protected:
  std::unique_ptr<PolicyTrial> Try(std::shared_ptr<const RuleSet> tried,
                                   absl::flat_hash_set<std::string> gateways) {
    return std::make_unique<PolicyTrial>(std::move(tried), std::move(gateways));
  }
  void Put(PolicyTrial& trial, const std::string& gateway, const std::vector<uint32_t>& ports,
           uint64_t version = 1) {
    const v1::PacketBatch batch = Batch(ports);
    trial.Compare(gateway, batch, {Decide(*live_, batch), live_, version},
                  [this] { return now_ += packet_takes_; });
  }

  std::shared_ptr<const RuleSet> live_ = Compile(
      "from any to any udp port 53 accept;\nfrom any to any udp port 80 reject log;\n"
      "default reject;");
  PolicyTrial::Time now_{std::chrono::hours(1)};
  PolicyTrial::Time::duration packet_takes_{0};
};

TEST_F(PolicyTrialTest, CountsWhatDiffers) {
  const auto trial =
      Try(Compile("from any to any udp port 80 accept;\nfrom any to any udp port 53 accept;"), {});
  Put(*trial, "gw1", {53, 53, 80, 9, 80}, 7);
  Put(*trial, "gw2", {80});
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
  Put(*trial, "gw2", {80});
  response = trial->Take();
  EXPECT_EQ(response.differing(), 4u);
  ASSERT_EQ(response.differences_size(), 1) << "the other one has not changed";
  EXPECT_EQ(response.differences(0).gateway(), "gw2");
  EXPECT_EQ(response.differences(0).packets(), 2u);
}

TEST_F(PolicyTrialTest, OnlyOfTheGatewaysMeant) {
  const auto all = Try(Compile("default accept;"), {});
  EXPECT_TRUE(all->Wants("gw1"));
  const auto one = Try(Compile("default accept;"), {"gw2"});
  EXPECT_FALSE(one->Wants("gw1"));
  EXPECT_TRUE(one->Wants("gw2"));
}

TEST_F(PolicyTrialTest, KindsAreBounded) {
  std::string text;
  std::vector<uint32_t> ports;
  for (uint32_t port = 1000; port < 2010; ++port) {
    absl::StrAppend(&text, "from any to any udp port ", port, " accept;\n");
    ports.push_back(port);
  }
  const auto trial = Try(Compile(text), {});
  Put(*trial, "gw1", ports);
  const v1::TryPolicyResponse response = trial->Take();
  EXPECT_EQ(response.differing(), 1010u);
  EXPECT_EQ(response.others(), 10u);
  EXPECT_EQ(response.differences_size(), 100);
  EXPECT_EQ(trial->Take().differences_size(), 100) << "those there was no room for";
}

TEST_F(PolicyTrialTest, LeavesOutWhatItHasNoTimeFor) {
  const auto trial = Try(Compile("default accept;"), {});
  packet_takes_ = TrialBudget::kAtOnce / 4;
  Put(*trial, "gw1", std::vector<uint32_t>(100, 9));
  v1::TryPolicyResponse response = trial->Take();
  EXPECT_GE(response.packets(), 4u);
  EXPECT_LE(response.packets(), 5u);
  EXPECT_EQ(response.differing(), response.packets());
  EXPECT_EQ(response.packets() + response.left_out(), 100u);
  EXPECT_TRUE(trial->Resting(now_));
  Put(*trial, "gw1", {9, 9});
  EXPECT_EQ(trial->Take().left_out(), response.left_out() + 2);
  now_ += std::chrono::seconds(1);
  EXPECT_FALSE(trial->Resting(now_));
  packet_takes_ = std::chrono::microseconds(1);
  Put(*trial, "gw1", {9, 9});
  EXPECT_EQ(trial->Take().packets(), response.packets() + 2);
}

TEST_F(PolicyTrialTest, OnceEndedItComparesNothing) {
  const auto trial = Try(Compile("default accept;"), {});
  trial->End();
  Put(*trial, "gw1", {9});
  EXPECT_EQ(trial->Take().packets(), 0u);
}

// A clock that the trials' thread reads before and after each packet. While it is shut, the thread
// is in it: a trial that takes as long as the test likes.
class Gate final {
 public:
  PolicyTrials::Time Pass() {
    ++arrived_;
    arrived_.notify_all();
    shut_.wait(true);
    return std::chrono::steady_clock::now();
  }
  void Shut() { shut_ = true; }
  void Open() {
    shut_ = false;
    shut_.notify_all();
  }
  // Waits until the thread has come so often.
  void WaitFor(size_t times) {
    for (size_t seen = arrived_; seen < times; seen = arrived_) arrived_.wait(seen);
  }

 private:
  std::atomic<size_t> arrived_ = 0;
  std::atomic<bool> shut_ = false;
};

class PolicyTrialsTest : public testing::Test {
 protected:
  ~PolicyTrialsTest() override { gate_.Open(); }

  void Put(const std::string& gateway, const std::vector<uint32_t>& ports) {
    Put(gateway, Batch(ports));
  }
  void Put(const std::string& gateway, const v1::PacketBatch& batch) {
    const std::vector<PacketFields> packets(batch.packets().begin(), batch.packets().end());
    trials_->Compare(
        gateway, packets, [&]() -> const v1::PacketBatch& { return batch; }, Decide(*live_, batch),
        live_, 1, std::chrono::steady_clock::now());
  }
  // Waits until so many packets were compared or left out.
  static v1::TryPolicyResponse Await(PolicyTrial& trial, uint64_t packets) {
    v1::TryPolicyResponse response = trial.Take();
    while (response.packets() + response.left_out() < packets) {
      std::this_thread::yield();
      response = trial.Take();
    }
    return response;
  }

  std::shared_ptr<const RuleSet> live_ = Compile("default reject;");
  Gate gate_;
  std::unique_ptr<PolicyTrials> trials_ =
      std::make_unique<PolicyTrials>([this] { return gate_.Pass(); });
};

TEST_F(PolicyTrialsTest, SeveralAtOnceAndNotTooMany) {
  std::vector<std::shared_ptr<PolicyTrial>> begun;
  for (size_t i = 0; i < PolicyTrials::kMost; ++i) {
    begun.push_back(trials_->Begin(Compile("default accept;"), {}));
    ASSERT_NE(begun.back(), nullptr);
  }
  EXPECT_EQ(trials_->Begin(live_, {}), nullptr);
  trials_->End(begun.back());
  Put("gw1", {9});
  EXPECT_EQ(Await(*begun.front(), 1).packets(), 1u);
  EXPECT_EQ(begun.back()->Take().packets(), 0u);
  EXPECT_NE(trials_->Begin(live_, {}), nullptr);
}

TEST_F(PolicyTrialsTest, OfOtherGatewaysNothingIsCounted) {
  const auto trial = trials_->Begin(Compile("default accept;"), {"gw2"});
  Put("gw1", {9});
  Put("gw2", {9, 9});
  const v1::TryPolicyResponse response = Await(*trial, 2);
  EXPECT_EQ(response.packets() + response.left_out(), 2u);
}

TEST_F(PolicyTrialsTest, ASlowTrialDelaysNoDecision) {
  const auto slow = trials_->Begin(Compile("default accept;"), {});
  gate_.Shut();
  Put("gw1", {9});
  gate_.WaitFor(1);  // From here on the trials' thread stands still.
  constexpr uint64_t kBatches = 1000;
  v1::PacketBatch batch = Batch(std::vector<uint32_t>(20, 9));
  for (uint64_t i = 0; i < kBatches; ++i) Put("gw1", batch);
  const uint64_t left_out = slow->Take().left_out();
  // What waits is bounded, and the rest was left out at once.
  const uint64_t waiting = kBatches * 20 + 1 - left_out;
  EXPECT_GT(waiting, 1000u);
  EXPECT_LE(waiting * PolicyTrials::kPacketBytes, PolicyTrials::kMostBytes);
  gate_.Open();
  const v1::TryPolicyResponse response = Await(*slow, kBatches * 20 + 1);
  EXPECT_EQ(response.packets() + response.left_out(), kBatches * 20 + 1);
  EXPECT_GE(response.left_out(), left_out);
}

TEST_F(PolicyTrialsTest, APacketTakesNoMoreThanItIsCountedFor) {
  v1::PacketBatch batch = Batch(std::vector<uint32_t>(1000, 9));
  for (v1::Packet& packet : *batch.mutable_packets()) {
    packet.clear_payload();
    packet.set_input_interface("enp0s31f6.1000");
    packet.set_output_interface("enp0s31f6.1001");
    packet.set_input_group("inside");
    packet.set_output_group("outside");
    packet.set_hw_address("\1\2\3\4\5\6");
  }
  google::protobuf::Arena arena;
  *google::protobuf::Arena::CreateMessage<v1::PacketBatch>(&arena) = batch;
  EXPECT_LE(arena.SpaceAllocated(), 1000 * PolicyTrials::kPacketBytes);
}

TEST_F(PolicyTrialsTest, RoomIsGivenBack) {
  const auto trial = trials_->Begin(Compile("default accept;"), {});
  v1::PacketBatch large = Batch({9});
  large.mutable_packets(0)->mutable_payload()->assign(PolicyTrials::kMostBytes * 2 / 3, 'x');
  for (uint64_t i = 1; i <= 10; ++i) {
    Put("gw1", large);
    Await(*trial, i);
  }
  EXPECT_GE(trial->Take().packets(), 1u);
  while (trial->Take().packets() < 2) Put("gw1", {9});
}

TEST_F(PolicyTrialsTest, APolicyMayBeReplacedMeanwhile) {
  const auto trial = trials_->Begin(Compile("default accept;"), {});
  gate_.Shut();
  Put("gw1", {9});
  gate_.WaitFor(1);
  std::weak_ptr<const RuleSet> before = live_;
  live_ = Compile("default reject;");
  EXPECT_FALSE(before.expired()) << "its rulings are still compared";
  gate_.Open();
  const v1::TryPolicyResponse response = Await(*trial, 1);
  ASSERT_EQ(response.differences_size(), 1);
  EXPECT_EQ(response.differences(0).live().reason(), "default");
  while (!before.expired()) std::this_thread::yield();
}

TEST_F(PolicyTrialsTest, AnEndedTrialIsFreedByTheThread) {
  auto tried = Compile("default accept;");
  std::weak_ptr<const RuleSet> kept = tried;
  auto trial = trials_->Begin(std::move(tried), {});
  gate_.Shut();
  Put("gw1", {9, 9});
  gate_.WaitFor(1);
  Put("gw1", {9, 9});
  trials_->End(std::move(trial));
  EXPECT_FALSE(kept.expired()) << "the thread is at it";
  gate_.Open();
  while (!kept.expired()) std::this_thread::yield();
}

TEST_F(PolicyTrialsTest, EndsWithPacketsWaiting) {
  const auto trial = trials_->Begin(Compile("default accept;"), {});
  gate_.Shut();
  for (int i = 0; i < 100; ++i) Put("gw1", std::vector<uint32_t>(20, 9));
  gate_.WaitFor(1);
  std::future<void> ended = std::async(std::launch::async, [this] { trials_.reset(); });
  gate_.Open();
  ended.get();
}

TEST_F(PolicyTrialsTest, ManyDecideAtOnceWhileTrialsComeAndGo) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) Put("gw1", {9, 53, 80});
    });
  }
  for (int i = 0; i < 50; ++i) {
    auto trial = trials_->Begin(Compile("default accept;"), {});
    Await(*trial, 3);
    trials_->End(std::move(trial));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::server
