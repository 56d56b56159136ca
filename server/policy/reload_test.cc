// Policies that are compiled again because the files of their sets have changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr const char* kPolicy =
    "set s from \"/s\"; set t from \"/t\"; from @s to host mail accept; from @t to any accept;";

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() {
    names_.PushHost("mail", {"192.0.2.25"});
    names_.PushFile("/s", "10.0.0.1\n");
    names_.PushFile("/t", "10.0.1.0/24\n");
    policy_.set_text(kPolicy);
    rules_ = RuleSet::Compile(policy_, names_).rules;
  }

  // Reads again with what `now` says; goes on with the new rules, if there are any.
  RuleSet::Reloaded Reload(policy::FakeNames& now) {
    RuleSet::Reloaded reloaded = RuleSet::Reload(policy_, *rules_, now);
    if (reloaded.rules != nullptr) rules_ = reloaded.rules;
    return reloaded;
  }
  bool Accepts(const std::string& source) const {
    return rules_->Decide(policy::Udp(source, 1, "192.0.2.25", 2)).action == v1::ACTION_ACCEPT;
  }

  policy::FakeNames names_;
  v1::PolicyText policy_;
  std::shared_ptr<const RuleSet> rules_;
};

TEST_F(ReloadTest, ReadsFilesAgainAndAsksForNoNames) {
  EXPECT_THAT(rules_->SetFiles(), UnorderedElementsAre("/s", "/t"));
  policy::FakeNames now;  // It does not know `mail`.
  now.PushFile("/s", "10.0.0.2\n");
  now.PushFile("/t", "10.0.1.0/24\n");
  const auto before = rules_;
  const auto reloaded = Reload(now);
  EXPECT_NE(rules_, before);
  EXPECT_THAT(reloaded.stale, IsEmpty());
  EXPECT_THAT(now.Asked(), ElementsAre("file /s", "file /t"));
  EXPECT_TRUE(Accepts("10.0.0.2"));
  EXPECT_FALSE(Accepts("10.0.0.1"));
  EXPECT_TRUE(Accepts("10.0.1.7"));
  EXPECT_THAT(rules_->SetFiles(), UnorderedElementsAre("/s", "/t"));
}

TEST_F(ReloadTest, WhereNothingHasChangedThereIsNothingNew) {
  EXPECT_EQ(Reload(names_).rules, nullptr);
  names_.PushFile("/t", "# the same\n10.0.1.0/24\n");
  EXPECT_NE(Reload(names_).rules, nullptr);
  EXPECT_EQ(Reload(names_).rules, nullptr);
}

TEST_F(ReloadTest, WhatIsNoGoodStaysAndKeepsNothingElseBack) {
  policy::FakeNames now;  // It has no file /s.
  now.PushFile("/t", "10.0.2.0/24\n");
  EXPECT_THAT(Reload(now).stale, ElementsAre("no file `/s`"));
  EXPECT_TRUE(Accepts("10.0.0.1"));
  EXPECT_TRUE(Accepts("10.0.2.7"));
  now.PushFile("/s", "10.0.0.1/8\n");
  const auto reloaded = Reload(now);
  EXPECT_EQ(reloaded.rules, nullptr);
  EXPECT_THAT(reloaded.stale, ElementsAre("line 1 of `/s`: `10.0.0.1/8` has bits set behind the "
                                          "prefix: did you mean `10.0.0.0/8`?"));
  EXPECT_TRUE(Accepts("10.0.0.1"));
  now.PushFile("/s", "10.0.0.3");
  EXPECT_THAT(Reload(now).stale, IsEmpty());
  EXPECT_TRUE(Accepts("10.0.0.3"));
}

// Lists that contain sets are worked out for each rule.
TEST_F(ReloadTest, MoreThanRulesMayHaveIsAProblem) {
  policy_.clear_text();
  for (int i = 0; i < 2000; ++i) policy_.mutable_text()->append("from {@s, ::2} to any accept;\n");
  policy_.mutable_text()->append("set s from \"/s\";");
  rules_ = RuleSet::Compile(policy_, names_).rules;
  ASSERT_NE(rules_, nullptr);
  std::string many;
  for (int i = 0; i < 2001; ++i) many += "::1\n";
  names_.PushFile("/s", std::move(many));
  const auto reloaded = Reload(names_);
  EXPECT_EQ(reloaded.rules, nullptr);
  ASSERT_EQ(reloaded.problems.size(), 1u);
  EXPECT_EQ(
      reloaded.problems[0].message(),
      "too many addresses: the rules of a policy have at most 4000000, those of names counted");
}

}  // namespace
}  // namespace sluice::server
