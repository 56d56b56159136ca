#include "server/policies/policy_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/policy/checker/fake_names.h"

namespace sluice::server {
namespace {

using WallTime = PolicyStore::WallTime;
using Time = PolicyStore::Time;
using std::chrono::seconds;

const Time kStart{seconds(1000)};

v1::PolicyText Accept() { return PolicyOf("default accept;", "test"); }
v1::PolicyText Reject() { return PolicyOf("default reject;", "test"); }

bool Accepts(const PolicyStore& store) {
  return store.Current()->rules->Decide(v1::Packet()).action == v1::ACTION_ACCEPT;
}

PolicyStore::Change ConfirmBy(Time time) { return {.author = "me", .confirm_by = time}; }

TEST(PolicyStoreTest, BeginsWithDefaultReject) {
  const PolicyStore store(WallTime(seconds(5)));
  const auto policy = store.Current();
  EXPECT_EQ(policy->version, 0u);
  EXPECT_EQ(policy->rules->size(), 0u);
  EXPECT_FALSE(Accepts(store));
  EXPECT_EQ(policy->ToProto(kStart).applied().seconds(), 5);
}

TEST(PolicyStoreTest, AppliesAllAtOnceAndKeepsSnapshotsAlive) {
  PolicyStore store(WallTime{});
  const auto before = store.Current();
  const auto applied = store.Apply(Accept(), WallTime(seconds(7)), {.author = "me"});
  EXPECT_TRUE(applied.status.ok());
  EXPECT_TRUE(applied.problems.empty());
  EXPECT_EQ(applied.previous, before);
  EXPECT_EQ(applied.current, store.Current());
  EXPECT_EQ(applied.current->version, 1u);
  EXPECT_EQ(applied.current->text.source(), "test");
  EXPECT_EQ(applied.current->author, "me");
  EXPECT_EQ(before->rules->Decide(v1::Packet()).action, v1::ACTION_DROP);
  EXPECT_TRUE(Accepts(store));
}

TEST(PolicyStoreTest, KeepsTheOldPolicyWhereTheNewOneIsWrong) {
  PolicyStore store(WallTime{});
  const auto applied = store.Apply(PolicyOf("default perhaps;", "test"), WallTime{});
  EXPECT_EQ(applied.status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(applied.problems.size(), 1u);
  EXPECT_EQ(applied.problems[0].line(), 1u);
  EXPECT_EQ(applied.current, nullptr);
  EXPECT_EQ(store.Current()->version, 0u);
}

TEST(PolicyStoreTest, DoesNotOverwriteAColleaguesPolicy) {
  PolicyStore store(WallTime{});
  ASSERT_TRUE(store.Apply(Accept(), WallTime(seconds(7)), {.author = "alice@desk"}).status.ok());
  const auto applied = store.Apply(Reject(), WallTime{}, {.author = "bob", .if_version = 0});
  EXPECT_EQ(applied.status.code(), absl::StatusCode::kAborted);
  EXPECT_NE(applied.status.message().find("version 1, applied by alice@desk at 1970-01-01"),
            absl::string_view::npos)
      << applied.status;
  EXPECT_EQ(store.Current()->version, 1u);
  EXPECT_TRUE(store.Apply(Reject(), WallTime{}, {.if_version = 1}).status.ok());
  EXPECT_EQ(store.Rollback({}, WallTime{}, {.if_version = 1}).status.code(),
            absl::StatusCode::kAborted);
}

TEST(PolicyStoreTest, ChangesNothingThatNobodyWaitsForAnyMore) {
  PolicyStore store(WallTime{});
  bool gone = false;
  const PolicyStore::Change change = {.abandoned = [&] { return gone; }};
  EXPECT_TRUE(store.Apply(Accept(), WallTime{}, change).status.ok());
  gone = true;
  EXPECT_EQ(store.Apply(Reject(), WallTime{}, change).status.code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store.Rollback(0, WallTime{}, change).status.code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store.Current()->version, 1u);
  EXPECT_TRUE(Accepts(store));
}

TEST(PolicyStoreTest, RollsBack) {
  PolicyStore store(WallTime{});
  EXPECT_EQ(store.Rollback({}, WallTime{}).status.code(), absl::StatusCode::kNotFound);
  store.Apply(Accept(), WallTime{});
  store.Apply(Reject(), WallTime{});
  store.Apply(Reject(), WallTime{});
  ASSERT_TRUE(store.Rollback(1, WallTime{}, {.author = "me"}).status.ok());
  EXPECT_EQ(store.Current()->version, 4u);
  EXPECT_EQ(store.Current()->author, "me");
  EXPECT_TRUE(Accepts(store));
  ASSERT_TRUE(store.Rollback({}, WallTime{}).status.ok());
  EXPECT_EQ(store.Current()->version, 5u);
  EXPECT_FALSE(Accepts(store));
  EXPECT_EQ(store.Rollback(9, WallTime{}).status.code(), absl::StatusCode::kNotFound);
}

TEST(PolicyStoreTest, RevertsWhatNobodyConfirms) {
  PolicyStore store(WallTime{});
  store.Apply(Accept(), WallTime{}, {.author = "me"});
  store.Apply(Reject(), WallTime{}, ConfirmBy(kStart + seconds(60)));
  EXPECT_EQ(store.Current()->ToProto(kStart).reverts_in().seconds(), 60);
  EXPECT_FALSE(store.RevertIfDue(kStart + seconds(59), WallTime{}));
  EXPECT_FALSE(Accepts(store));
  EXPECT_TRUE(store.RevertIfDue(kStart + seconds(60), WallTime(seconds(9))));
  EXPECT_TRUE(Accepts(store));
  EXPECT_EQ(store.Current()->version, 3u);
  EXPECT_EQ(store.Current()->author, "sluice-server");
  EXPECT_EQ(store.Current()->applied, WallTime(seconds(9)));
  EXPECT_FALSE(store.Current()->ToProto(kStart).has_reverts_in());
  EXPECT_FALSE(store.RevertIfDue(kStart + seconds(600), WallTime{}));
}

TEST(PolicyStoreTest, RollingBackPassesOverWhatNobodyConfirmed) {
  PolicyStore store(WallTime{});
  store.Apply(Accept(), WallTime{});
  store.Apply(Reject(), WallTime{}, ConfirmBy(kStart));
  ASSERT_TRUE(store.RevertIfDue(kStart, WallTime{}));
  const auto rolled = store.Rollback({}, WallTime{});
  ASSERT_TRUE(rolled.status.ok());
  EXPECT_EQ(rolled.restored, 1u);
  EXPECT_EQ(rolled.current->version, 4u);
  EXPECT_TRUE(Accepts(store));
  // Rollback returns to a confirmed version, or to any that is named.
  store.Apply(Reject(), WallTime{}, ConfirmBy(kStart));
  ASSERT_TRUE(store.Confirm(5).ok());
  store.Apply(Accept(), WallTime{});
  EXPECT_EQ(store.Rollback({}, WallTime{}).restored, 5u);
  EXPECT_EQ(store.Rollback(2, WallTime{}).restored, 2u);
  EXPECT_FALSE(Accepts(store));
  // Back from one that is to be confirmed.
  store.Apply(Accept(), WallTime{}, ConfirmBy(kStart));
  EXPECT_EQ(store.Rollback({}, WallTime{}).restored, 8u);
}

TEST(PolicyStoreTest, WhatIsConfirmedStays) {
  PolicyStore store(WallTime{});
  store.Apply(Accept(), WallTime{});
  EXPECT_EQ(store.Confirm(1).code(), absl::StatusCode::kFailedPrecondition);
  store.Apply(Reject(), WallTime{}, ConfirmBy(kStart));
  EXPECT_EQ(store.Confirm(1).code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(store.Confirm(2).ok());
  EXPECT_FALSE(store.RevertIfDue(kStart, WallTime{}));
  EXPECT_EQ(store.Current()->version, 2u);
  EXPECT_TRUE(store.Get(2)->confirmed);
}

TEST(PolicyStoreTest, AnotherChangeCancelsTheReverting) {
  PolicyStore store(WallTime{});
  store.Apply(Accept(), WallTime{});
  store.Apply(Reject(), WallTime{}, ConfirmBy(kStart));
  store.Apply(Reject(), WallTime{});
  EXPECT_FALSE(store.RevertIfDue(kStart, WallTime{}));
  // After two that are to be confirmed, it goes back to the last confirmed one.
  store.Apply(Accept(), WallTime{}, ConfirmBy(kStart));
  store.Apply(Accept(), WallTime{}, ConfirmBy(kStart + seconds(1)));
  EXPECT_FALSE(store.RevertIfDue(kStart, WallTime{}));
  EXPECT_TRUE(store.RevertIfDue(kStart + seconds(1), WallTime{}));
  EXPECT_FALSE(Accepts(store));
}

// More rules with an expression than a packet may be put to.
v1::PolicyText Costly() {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "from any to any match \"ip[1] = 7\" accept;\n";
  return PolicyOf(text + "default accept;", "costly");
}

TEST(PolicyStoreTest, APolicyThatCostsTooMuchIsRefused) {
  PolicyStore store(WallTime{});
  const RuleSet::Compiled compiled = store.Compile(Costly(), {});
  EXPECT_EQ(compiled.rules, nullptr);
  EXPECT_TRUE(absl::IsInvalidArgument(compiled.status));
  ASSERT_EQ(compiled.problems.size(), 1u);
  const auto applied = store.Apply(Costly(), WallTime{});
  EXPECT_TRUE(absl::IsInvalidArgument(applied.status));
  ASSERT_EQ(applied.problems.size(), 1u);
  EXPECT_EQ(applied.problems[0].message().substr(0, 32), "a packet may cost 460000 steps, ");
  EXPECT_EQ(store.Current()->version, 0u);
}

TEST(PolicyStoreTest, WhatNoCallerBringsMayCostAnything) {
  PolicyStore store(WallTime{});
  const auto applied = store.Apply(Costly(), WallTime{}, {.any_cost = true});
  EXPECT_TRUE(applied.status.ok());
  ASSERT_EQ(applied.warnings.size(), 1u);
  EXPECT_EQ(applied.warnings[0].line(), 1u);
  EXPECT_TRUE(Accepts(store));
}

// A store with an archive folder.
class KeptPolicyTest : public testing::Test {
 protected:
  KeptPolicyTest() {
    std::string made = testing::TempDir() + "/store_XXXXXX";
    folder_ = mkdtemp(made.data());
    Restart();
  }
  ~KeptPolicyTest() override { std::filesystem::remove_all(folder_); }

  void Restart() {
    store_.reset();
    // No name exists here, whatever the machine's DNS says.
    store_ =
        std::make_unique<PolicyStore>(WallTime(seconds(99)), PolicyArchive::Open(folder_).value(),
                                      "", [] { return std::make_unique<policy::FakeNames>(); });
  }

  std::string Path(int version) const {
    return folder_ + "/policy-00000" + std::to_string(version);
  }

  std::string folder_;
  std::unique_ptr<PolicyStore> store_;
};

TEST_F(KeptPolicyTest, OutlivesTheServer) {
  v1::PolicyText text = Accept();
  text.add_files()->set_name("not needed");
  store_->Apply(text, WallTime(seconds(7)), {.author = "me"});
  Restart();
  const auto policy = store_->Current();
  EXPECT_EQ(policy->version, 1u);
  EXPECT_EQ(policy->author, "me");
  EXPECT_EQ(policy->applied, WallTime(seconds(7)));
  EXPECT_EQ(policy->text.SerializeAsString(), text.SerializeAsString());
  EXPECT_TRUE(Accepts(*store_));
  store_->Apply(Reject(), WallTime{});
  EXPECT_EQ(store_->Current()->version, 2u);
  EXPECT_EQ(store_->Get(1)->text.text(), text.text());
}

TEST_F(KeptPolicyTest, AKeptPolicyMayCostAnything) {
  store_->Apply(Costly(), WallTime{}, {.any_cost = true});
  Restart();
  EXPECT_EQ(store_->Current()->version, 1u);
  EXPECT_TRUE(Accepts(*store_));
  store_->Apply(Reject(), WallTime{});
  const auto restored = store_->Rollback(1, WallTime{});
  EXPECT_TRUE(restored.status.ok()) << restored.status;
  EXPECT_EQ(restored.warnings.size(), 1u);
  EXPECT_TRUE(Accepts(*store_));
}

TEST_F(KeptPolicyTest, WhatNobodyHadConfirmedIsReverted) {
  store_->Apply(Accept(), WallTime{});
  store_->Apply(Reject(), WallTime{}, ConfirmBy(kStart));
  Restart();
  EXPECT_TRUE(Accepts(*store_));
  EXPECT_EQ(store_->Current()->version, 3u);
  EXPECT_EQ(store_->Current()->author, "sluice-server");
  EXPECT_EQ(store_->Current()->applied, WallTime(seconds(99)));
  Restart();
  EXPECT_EQ(store_->Current()->version, 3u) << "it is an ordinary version now";
}

TEST_F(KeptPolicyTest, WhatWasConfirmedStays) {
  store_->Apply(Accept(), WallTime{}, ConfirmBy(kStart));
  ASSERT_TRUE(store_->Confirm(1).ok());
  Restart();
  EXPECT_EQ(store_->Current()->version, 1u);
}

TEST_F(KeptPolicyTest, TornAndIncompileableVersionsArePassedOver) {
  store_->Apply(Accept(), WallTime{});
  store_->Apply(Reject(), WallTime{});
  std::filesystem::resize_file(Path(2), 40);
  // A policy that was once well-formed: the name it uses is gone.
  {
    PolicyRecord gone = {.version = 3,
                         .text = PolicyOf("from host gone.invalid to any accept;", "")};
    store_.reset();
    ASSERT_TRUE(PolicyArchive::Open(folder_).value()->Write(gone).ok());
  }
  Restart();
  EXPECT_EQ(store_->Current()->version, 1u);
  EXPECT_TRUE(Accepts(*store_));
  store_->Apply(Reject(), WallTime{});
  EXPECT_EQ(store_->Current()->version, 4u);
  EXPECT_EQ(std::filesystem::file_size(Path(2)), 40u) << "left alone";
}

TEST_F(KeptPolicyTest, WhatCannotBeKeptIsNotApplied) {
  store_->Apply(Accept(), WallTime{});
  std::filesystem::create_directory(Path(2) + ".new");
  const auto applied = store_->Apply(Reject(), WallTime{});
  EXPECT_EQ(applied.status.code(), absl::StatusCode::kUnavailable) << applied.status;
  EXPECT_EQ(applied.current, nullptr);
  EXPECT_TRUE(Accepts(*store_));
  EXPECT_EQ(store_->List(10).size(), 2u);
  std::filesystem::remove(Path(2) + ".new");
  EXPECT_TRUE(store_->Apply(Reject(), WallTime{}).status.ok());
  EXPECT_EQ(store_->Current()->version, 2u);
}

TEST_F(KeptPolicyTest, WhatTheServerIsStartedWithNeedsNoDisk) {
  std::filesystem::create_directory(Path(1) + ".new");
  const auto applied = store_->Apply(Accept(), WallTime{}, {.even_unkept = true});
  EXPECT_TRUE(applied.status.ok()) << applied.status;
  EXPECT_TRUE(Accepts(*store_));
  EXPECT_TRUE(store_->Apply(Reject(), WallTime{}).status.ok());
  EXPECT_EQ(store_->Current()->version, 2u) << "no number is given twice";
}

TEST_F(KeptPolicyTest, RevertingNeedsNoDisk) {
  store_->Apply(Accept(), WallTime{});
  store_->Apply(Reject(), WallTime{}, ConfirmBy(kStart));
  std::filesystem::create_directory(Path(3) + ".new");
  EXPECT_TRUE(store_->RevertIfDue(kStart, WallTime{}));
  EXPECT_TRUE(Accepts(*store_));
  EXPECT_EQ(store_->Current()->version, 3u);
  EXPECT_TRUE(store_->Apply(Reject(), WallTime{}).status.ok());
  EXPECT_EQ(store_->Current()->version, 4u) << "no number is given twice";
}

}  // namespace
}  // namespace sluice::server
