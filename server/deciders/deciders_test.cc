#include "server/deciders/deciders.h"

#include <gtest/gtest.h>

#include <future>

#include "server/deciders/fake_deciders.h"

namespace sluice::server {
namespace {

// Blocks the thread that answers it until GoOn.
class SlowGateway final : public DeferredVerdictSink {
 public:
  void Answer(const DeferredVerdict&) override {
    reached_.set_value();
    go_on_.get_future().wait();
  }
  void DecideByPolicy(const v1::Packet&, std::chrono::steady_clock::duration) override { FAIL(); }

  void AwaitReached() { reached_.get_future().wait(); }
  void GoOn() { go_on_.set_value(); }

 private:
  std::promise<void> reached_;
  std::promise<void> go_on_;
};

std::vector<Question> Ask(const FakeGateway& gateway, size_t packets) {
  std::vector<Question> questions;
  for (uint64_t id = 1; id <= packets; ++id) {
    questions.push_back(gateway.Ask(id, std::chrono::steady_clock::now()));
  }
  return questions;
}

TEST(DecidersTest, WhatFindsNoRoomGetsWhatTheRuleSaysAtOnce) {
  const PolicyStore policies(std::chrono::system_clock::now());
  FakeGateway gateway("gw");
  SlowGateway slow;
  {
    Deciders deciders("test", &policies);
    std::vector<Question> first = Ask(gateway, 1);
    first[0].asker = std::make_shared<AskingStream>(v1::DecideHello(), &slow);
    deciders.Ask(std::move(first));
    slow.AwaitReached();
    deciders.Ask(Ask(gateway, Deciders::kMostPosted + 3));
    EXPECT_EQ(gateway.answers.size(), 3u);
    slow.GoOn();
  }
  ASSERT_EQ(gateway.answers.size(), Deciders::kMostPosted + 3);
  EXPECT_EQ(gateway.answers[2], absl::StrCat(Deciders::kMostPosted + 3,
                                             " DROP \"d\" has too much to do: rule 1, line 2"));
  // The policy names no decider.
  EXPECT_EQ(gateway.answers[3], "1 DROP \"d\" is gone: rule 1, line 2");
}

TEST(DecidersTest, ListsNobodyWhereThePolicyNamesNobody) {
  const PolicyStore policies(std::chrono::system_clock::now());
  Deciders deciders("test", &policies);
  std::promise<std::vector<v1::Decider>> listed;
  deciders.List([&](std::vector<v1::Decider> list) { listed.set_value(std::move(list)); });
  EXPECT_TRUE(listed.get_future().get().empty());
  EXPECT_EQ(deciders.revision(), 0u);
}

}  // namespace
}  // namespace sluice::server
