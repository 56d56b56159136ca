#include "server/policies/name_refresher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/policies/policy_archive.h"
#include "server/policy/checker/fake_names.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {
namespace {

using policy::FakeNames;
using testing::HasSubstr;
using WallTime = PolicyStore::WallTime;

const absl::Status kDead = absl::UnavailableError("no server for DNS answers");

v1::PolicyText AcceptFrom(const std::string& host) {
  return PolicyOf("from host " + host + " to any accept;", "test");
}

// The names that everybody asks for, one after the other.
class Resolver final {
 public:
  PolicyStore::NamesSource Source() {
    return [this] {
      if (asked_) std::exchange(asked_, nullptr)();
      MutexLock lock(mutex_);

      return std::make_unique<FakeNames>(names_);
    };
  }
  void Push(const std::string& host, const std::string& address) {
    MutexLock lock(mutex_);
    names_ = FakeNames();
    names_.PushHost(host, {address});
  }
  // Calls `asked` once, when somebody asks next.
  void OnNext(std::function<void()> asked) { asked_ = std::move(asked); }
  // Names that nobody answers for.
  void Kill(const std::vector<std::string>& hosts) {
    MutexLock lock(mutex_);
    names_ = FakeNames();
    for (const std::string& host : hosts) names_.Fail(host, kDead);
  }

 private:
  Mutex mutex_;
  FakeNames names_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> asked_;  // Used by the test's thread.
};

class NameRefresherTest : public testing::Test {
 protected:
  NameRefresherTest() {
    std::string made = testing::TempDir() + "/names_XXXXXX";
    folder_ = mkdtemp(made.data());
    Restart();
  }
  ~NameRefresherTest() override { std::filesystem::remove_all(folder_); }

  void Restart() {
    store_.reset();
    store_ = std::make_unique<PolicyStore>(WallTime{}, PolicyArchive::Open(folder_).value(), "",
                                           resolver_.Source());
  }
  PolicyStore::Applied Apply(const v1::PolicyText& text) {
    return store_->Apply(text, WallTime{}, {.author = "me"});
  }
  // The addresses a host has for the policy in force.
  std::string Meaning(const std::string& host) const {
    const auto& hosts = store_->Current()->rules->names().hosts;
    const auto found = hosts.find(host);
    return found == hosts.end() ? "nothing" : found->second.front().ToString();
  }
  std::string HostsFile(int version) const {
    return folder_ + "/policy-00000" + std::to_string(version) + ".hosts";
  }
  void Overwrite(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  Resolver resolver_;
  std::string folder_;
  std::unique_ptr<PolicyStore> store_;
};

TEST_F(NameRefresherTest, ARestartWithoutDnsDecidesByTheNewestPolicy) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  resolver_.Kill({"a"});
  Restart();
  EXPECT_EQ(store_->Current()->version, 2u);
  EXPECT_EQ(Meaning("a"), "192.0.2.1");
  EXPECT_TRUE(store_->RefreshNames(WallTime{})) << "there is more to ask";
  EXPECT_THAT(store_->Current()->outdated.at("a"), HasSubstr("no server for DNS answers"));
  EXPECT_EQ(store_->Current()->edition(), (PolicyEdition{2, 0})) << "it means what it did";

  resolver_.Push("a", "192.0.2.2");
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(Meaning("a"), "192.0.2.2");
  EXPECT_EQ(store_->Current()->edition(), (PolicyEdition{2, 1}));
  EXPECT_TRUE(store_->Current()->outdated.empty());
  // The new meaning is kept from now on.
  resolver_.Kill({"a"});
  Restart();
  EXPECT_EQ(Meaning("a"), "192.0.2.2");
}

TEST_F(NameRefresherTest, NamesThatMeanTheSameAreNoOtherEdition) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  Restart();
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->edition(), (PolicyEdition{1, 0}));
  EXPECT_TRUE(store_->Current()->outdated.empty());
}

TEST_F(NameRefresherTest, AHostThatIsGoneMeansWhatItDid) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  resolver_.Push("b", "192.0.2.2");
  Restart();
  EXPECT_TRUE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(Meaning("a"), "192.0.2.1");
  EXPECT_EQ(store_->Current()->version, 1u);
}

TEST_F(NameRefresherTest, APolicyWhoseNamesAreNotKnownWaits) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  for (const bool missing : {true, false}) {
    if (missing) {
      std::filesystem::remove(HostsFile(2));
    } else {
      Overwrite(HostsFile(2), "damaged");
    }
    resolver_.Kill({"a"});
    Restart();
    EXPECT_EQ(store_->Current()->version, 1u);
    EXPECT_TRUE(absl::IsUnavailable(store_->AllKnown()));
    EXPECT_TRUE(store_->RefreshNames(WallTime{}));
    EXPECT_EQ(store_->Current()->version, 1u);
    resolver_.Push("a", "192.0.2.1");
    EXPECT_FALSE(store_->RefreshNames(WallTime{}));
    EXPECT_EQ(store_->Current()->version, 2u);
    EXPECT_EQ(Meaning("a"), "192.0.2.1");
    EXPECT_TRUE(store_->AllKnown().ok());
    // The meanings of its names are kept again.
    resolver_.Kill({"a"});
    Restart();
    EXPECT_EQ(store_->Current()->version, 2u);
  }
}

TEST_F(NameRefresherTest, AChangeMeanwhileWins) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  std::filesystem::remove(HostsFile(2));
  resolver_.Kill({"a"});
  Restart();
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.8")).status.ok());
  resolver_.Push("a", "192.0.2.1");
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->version, 3u);
  EXPECT_TRUE(store_->AllKnown().ok());
}

TEST_F(NameRefresherTest, AChangeThatNobodyConfirmsDoesNotWin) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  const PolicyStore::Time later{std::chrono::seconds(60)};
  for (const bool confirmed : {false, true}) {
    std::filesystem::remove(HostsFile(2));
    resolver_.Kill({"a"});
    Restart();
    ASSERT_EQ(store_->Current()->version, 1u);
    const auto applied = store_->Apply(AcceptFrom("192.0.2.8"), WallTime{}, {.confirm_by = later});
    ASSERT_TRUE(applied.status.ok());
    resolver_.Push("a", "192.0.2.1");
    EXPECT_FALSE(store_->RefreshNames(WallTime{}));
    EXPECT_EQ(store_->Current()->version, applied.current->version) << "it is on approval";
    if (confirmed) {
      ASSERT_TRUE(store_->Confirm(applied.current->version).ok());
      EXPECT_FALSE(store_->RefreshNames(WallTime{}));
      EXPECT_EQ(store_->Current()->version, applied.current->version);
      break;
    }
    ASSERT_TRUE(store_->RevertIfDue(later, WallTime{}));
    EXPECT_EQ(Meaning("a"), "nothing");
    EXPECT_FALSE(store_->RefreshNames(WallTime{}));
    EXPECT_EQ(Meaning("a"), "192.0.2.1");
    Restart();
    EXPECT_EQ(store_->Current()->version, 5u) << "the newest";
    EXPECT_EQ(Meaning("a"), "192.0.2.1");
    std::filesystem::remove_all(folder_);
    Restart();
    ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
    ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  }
}

TEST_F(NameRefresherTest, AChangeWhileNamesAreLookedUpWins) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  const auto apply = [this] { ASSERT_TRUE(Apply(AcceptFrom("192.0.2.8")).status.ok()); };
  // The names of a policy that waits for them.
  std::filesystem::remove(HostsFile(2));
  resolver_.Kill({"a"});
  Restart();
  resolver_.Push("a", "192.0.2.1");
  resolver_.OnNext(apply);
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->version, 3u);
  // The names of the policy in force.
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  Restart();
  resolver_.Push("a", "192.0.2.2");
  resolver_.OnNext(apply);
  store_->RefreshNames(WallTime{});
  EXPECT_EQ(store_->Current()->edition(), (PolicyEdition{5, 0}));
  EXPECT_EQ(Meaning("a"), "nothing");
}

TEST_F(NameRefresherTest, WhatNobodyConfirmedIsRevertedOnceThePolicyBeforeCan) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  store_->Apply(AcceptFrom("192.0.2.8"), WallTime{}, {.confirm_by = PolicyStore::Time{}});
  std::filesystem::remove(HostsFile(2));
  resolver_.Kill({"a"});
  Restart();
  EXPECT_EQ(store_->Current()->version, 1u);
  resolver_.Push("a", "192.0.2.1");
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->version, 4u);
  EXPECT_EQ(store_->Current()->text.text(), AcceptFrom("a").text()) << "not what is older";
}

TEST_F(NameRefresherTest, NamesKnownOfAnyVersionDoForAnother) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  resolver_.Kill({"a", "b"});
  const auto applied = Apply(AcceptFrom("a"));
  ASSERT_TRUE(applied.status.ok()) << applied.status;
  ASSERT_EQ(applied.warnings.size(), 1u);
  EXPECT_THAT(applied.warnings[0].message(),
              HasSubstr("answers; it means what it meant before, 192.0.2.1"));
  EXPECT_EQ(applied.warnings[0].column(), 11u);
  EXPECT_EQ(applied.current->outdated.size(), 1u);
  const auto refused = Apply(AcceptFrom("b"));
  EXPECT_TRUE(absl::IsUnavailable(refused.status)) << refused.status;
  ASSERT_EQ(refused.problems.size(), 1u);
  EXPECT_EQ(refused.problems[0].message(), kDead.message());
  EXPECT_EQ(store_->Current()->version, 3u);
  // A name that does not exist is treated otherwise.
  resolver_.Push("a", "192.0.2.1");
  EXPECT_TRUE(absl::IsInvalidArgument(Apply(AcceptFrom("b")).status));
}

TEST_F(NameRefresherTest, WithoutAFolderNamesAreRememberedAsWell) {
  PolicyStore store(WallTime{}, nullptr, "", resolver_.Source());
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(store.Apply(AcceptFrom("a"), WallTime{}).status.ok());
  ASSERT_TRUE(store.Apply(AcceptFrom("192.0.2.9"), WallTime{}).status.ok());
  resolver_.Kill({"a"});
  EXPECT_TRUE(store.Rollback(1, WallTime{}).status.ok());
}

TEST_F(NameRefresherTest, APolicyFromElsewhereCanWaitToo) {
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  resolver_.Kill({"a"});
  store_->ApplyOnceKnown(AcceptFrom("a"), "me");
  EXPECT_TRUE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->version, 1u);
  resolver_.Push("a", "192.0.2.1");
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->version, 2u);
  EXPECT_EQ(store_->Current()->author, "me");
  Restart();
  EXPECT_EQ(store_->Current()->version, 2u);
}

TEST_F(NameRefresherTest, ThePolicyThatWaitedMayTurnOutToBeWrong) {
  ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  resolver_.Kill({"a"});
  store_->ApplyOnceKnown(AcceptFrom("a"), "me");
  resolver_.Push("b", "192.0.2.1");
  EXPECT_FALSE(store_->RefreshNames(WallTime{}));
  EXPECT_EQ(store_->Current()->version, 1u);
}

TEST_F(NameRefresherTest, NamesGoWithTheirVersion) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  EXPECT_TRUE(std::filesystem::exists(HostsFile(1)));
  for (int i = 0; i < 110; ++i) ASSERT_TRUE(Apply(AcceptFrom("192.0.2.9")).status.ok());
  EXPECT_FALSE(std::filesystem::exists(HostsFile(1)));
  // Files left by a server that ended in between.
  Overwrite(HostsFile(2), "left behind");
  Restart();
  EXPECT_FALSE(std::filesystem::exists(HostsFile(2)));
}

TEST_F(NameRefresherTest, ItsThreadAsksAtOnceAndUntilThereIsAnAnswer) {
  resolver_.Push("a", "192.0.2.1");
  ASSERT_TRUE(Apply(AcceptFrom("a")).status.ok());
  resolver_.Kill({"a"});
  Restart();
  NameRefresher refresher(store_.get(), std::chrono::milliseconds(1));
  refresher.AwaitFirst(std::chrono::minutes(1));
  EXPECT_THAT(store_->Current()->outdated.at("a"), HasSubstr("no server for DNS answers"));
  resolver_.Push("a", "192.0.2.2");
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (Meaning("a") != "192.0.2.2" && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Meaning("a"), "192.0.2.2");
}

}  // namespace
}  // namespace sluice::server
