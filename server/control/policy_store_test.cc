#include "server/control/policy_store.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

using Time = PolicyStore::WallTime;

TEST(PolicyStoreTest, BeginsWithDefaultReject) {
  const PolicyStore store(Time(std::chrono::seconds(5)));
  const auto policy = store.Current();
  EXPECT_EQ(policy->version, 0u);
  EXPECT_EQ(policy->rules->size(), 0u);
  EXPECT_EQ(policy->rules->Decide(v1::Packet()).action, v1::ACTION_DROP);
  EXPECT_EQ(policy->ToProto().applied().seconds(), 5);
}

TEST(PolicyStoreTest, AppliesAllAtOnceAndKeepsSnapshotsAlive) {
  PolicyStore store(Time{});
  const auto before = store.Current();
  const auto applied =
      store.Apply(PolicyOf("default accept;", "test"), Time(std::chrono::seconds(7)));
  EXPECT_TRUE(applied.problems.empty());
  EXPECT_EQ(applied.previous, before);
  EXPECT_EQ(applied.current, store.Current());
  EXPECT_EQ(applied.current->version, 1u);
  EXPECT_EQ(applied.current->text.source(), "test");
  EXPECT_EQ(before->rules->Decide(v1::Packet()).action, v1::ACTION_DROP);
  EXPECT_EQ(store.Current()->rules->Decide(v1::Packet()).action, v1::ACTION_ACCEPT);
}

TEST(PolicyStoreTest, KeepsTheOldPolicyWhereTheNewOneIsWrong) {
  PolicyStore store(Time{});
  const auto applied = store.Apply(PolicyOf("default perhaps;", "test"), Time{});
  ASSERT_EQ(applied.problems.size(), 1u);
  EXPECT_EQ(applied.problems[0].line(), 1u);
  EXPECT_EQ(applied.current, nullptr);
  EXPECT_EQ(store.Current()->version, 0u);
}

}  // namespace
}  // namespace sluice::server
