#include "server/policy/checker/looked_up.h"

#include <gtest/gtest.h>

#include <string>

#include "server/policy/checker/fake_names.h"
#include "server/policy/rule_set.h"

namespace sluice::server::policy {
namespace {

const std::vector<Address> kOne = {Address::IpV4(0xc0000201)};
const std::vector<Address> kTwo = {Address::IpV4(0xc0000202)};

v1::PolicyText Text(const std::string& text) {
  v1::PolicyText policy;
  policy.set_text(text);
  return policy;
}

TEST(LookedUpTest, OnlyWhatCouldNotBeLookedUpMeansWhatItDidBefore) {
  FakeNames names;
  names.PushHost("alive", {"192.0.2.1"});
  names.Fail("slow", absl::UnavailableError("host `slow` cannot be looked up"));
  names.Fail("late", absl::DeadlineExceededError("host `late` was not looked up"));
  names.Fail("new", absl::UnavailableError("host `new` cannot be looked up"));
  names.Fail("net", absl::UnavailableError("network `net` cannot be looked up"));
  LookedUp answers = LookUp({{"alive", "slow", "late", "new", "gone"}, {"net"}}, names);
  EXPECT_TRUE(answers.unanswered());
  answers.UseFormer(
      {{{"alive", kTwo}, {"slow", kTwo}, {"late", kTwo}, {"gone", kTwo}}, {{"net", 0x0a000000}}});
  EXPECT_EQ(answers.hosts.at("alive").value(), kOne);
  EXPECT_EQ(answers.hosts.at("slow").value(), kTwo);
  EXPECT_EQ(answers.hosts.at("late").value(), kTwo);
  EXPECT_EQ(answers.networks.at("net").value(), 0x0a000000u);
  EXPECT_TRUE(absl::IsUnavailable(answers.hosts.at("new").status()));
  EXPECT_TRUE(absl::IsNotFound(answers.hosts.at("gone").status())) << "it stands for nothing";
  EXPECT_EQ(answers.outdated.size(), 3u);
  EXPECT_EQ(answers.outdated.at("slow"),
            "host `slow` cannot be looked up; it means what it meant before, 192.0.2.2");
  EXPECT_EQ(answers.outdated.at("net"),
            "network `net` cannot be looked up; it means what it meant before, 10.0.0.0");
  EXPECT_TRUE(answers.unanswered()) << "one is not known at all";
}

TEST(LookedUpTest, NamesAreRenewed) {
  const std::vector<Address> both = {kOne[0], kTwo[0]};
  LookedUp found = LookedUp::Of({{{"same", {kTwo[0], kOne[0]}}, {"other", kTwo}}, {{"net", 2}}});
  found.hosts.emplace("gone", absl::NotFoundError("no host `gone`"));
  found.hosts.emplace("slow", absl::UnavailableError("cannot be looked up"));
  const RenewedNames renewed = Renew(
      {{{"same", both}, {"other", kOne}, {"gone", both}, {"slow", kTwo}, {"not asked for", kTwo}},
       {{"net", 1}}},
      found);
  EXPECT_EQ(renewed.meanings, (NameMeanings{{{"same", both},
                                             {"other", kTwo},
                                             {"gone", both},
                                             {"slow", kTwo},
                                             {"not asked for", kTwo}},
                                            {{"net", 2}}}));
  EXPECT_EQ(renewed.changed, (std::vector<std::string>{"other", "net"}));
  EXPECT_EQ(renewed.outdated,
            (std::map<std::string, std::string>{
                {"gone", "no host `gone`; it means what it meant before, 192.0.2.1, 192.0.2.2"},
                {"slow", "cannot be looked up; it means what it meant before, 192.0.2.2"}}));
}

TEST(LookedUpTest, APolicySaysAllNamesItWantsAndAsksNobody) {
  FakeNames local;
  local.PushService("smtp", "tcp", 25);
  const LookedUp known = LookedUp::Of({{{"b", kOne}}, {}});
  AnsweredNames names(&known, &local);
  const auto compiled = RuleSet::Compile(
      Text("for net1 netmask is mask1; set s = {host a}; between host b and net campus accept;"
           "from host c to any tcp port smtp accept;"),
      names);
  EXPECT_EQ(compiled.rules, nullptr);
  EXPECT_EQ(compiled.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(compiled.wanted.hosts, (std::set<std::string>{"a", "c", "mask1"}));
  EXPECT_EQ(compiled.wanted.networks, (std::set<std::string>{"campus", "net1"}));
  EXPECT_EQ(local.Asked(), std::vector<std::string>{"service smtp/tcp"});
}

TEST(LookedUpTest, APolicyWithoutNamesWantsNone) {
  FakeNames local;
  const LookedUp known;
  AnsweredNames names(&known, &local);
  const auto compiled = RuleSet::Compile(
      Text("set s = {10.0.0.0/8}; from @s to host 192.0.2.1 accept; from net 10.0.0.0 to any "
           "accept;"),
      names);
  EXPECT_TRUE(compiled.status.ok()) << compiled.status;
  EXPECT_TRUE(compiled.wanted.empty());
}

TEST(LookedUpTest, OutdatedNamesAreWarnedOfWhereTheyAreFirst) {
  FakeNames local;
  LookedUp known = LookedUp::Of({{{"a", kOne}, {"b", kTwo}, {"unused", kTwo}}, {}});
  known.Outdate("not looked up");
  AnsweredNames names(&known, &local);
  const auto compiled = RuleSet::Compile(
      Text("from host 192.0.2.9 to {192.0.2.8, host a} accept;\nset s = {host b};\nfrom host a to "
           "@s accept;"),
      names);
  ASSERT_TRUE(compiled.status.ok()) << compiled.status;
  ASSERT_EQ(compiled.warnings.size(), 2u);
  EXPECT_EQ(compiled.warnings[0].line(), 1u);
  EXPECT_EQ(compiled.warnings[0].column(), 41u);
  EXPECT_EQ(compiled.warnings[1].line(), 2u);
  EXPECT_EQ(compiled.outdated.size(), 2u);
  EXPECT_EQ(compiled.rules->names(), (NameMeanings{{{"a", kOne}, {"b", kTwo}}, {}}));
}

TEST(LookedUpTest, TellsNamesNobodyAnsweredForFromAPolicyThatIsWrong) {
  FakeNames names;
  names.Fail("slow", absl::UnavailableError("cannot be looked up"));
  const std::string slow = "from host slow to any accept;";
  EXPECT_TRUE(absl::IsUnavailable(RuleSet::Compile(slow, names).status));
  EXPECT_TRUE(absl::IsInvalidArgument(
      RuleSet::Compile(slow + "from host gone to any accept;", names).status));
}

TEST(LookedUpTest, NamesCanComeToMeanSomethingElse) {
  FakeNames names;
  names.PushHost("a", {"192.0.2.1"});
  names.PushFile("/set", "10.0.0.1\n");
  const v1::PolicyText text = Text("set s from \"/set\"; from host a to @s accept;");
  const auto before = RuleSet::Compile(text, names);
  ASSERT_TRUE(before.status.ok()) << before.status;
  FakeNames dead;
  const auto after = RuleSet::Renamed(text, *before.rules, {{{"a", kTwo}}, {}}, dead);
  ASSERT_TRUE(after.status.ok()) << after.status;
  EXPECT_EQ(after.rules->names().hosts.at("a"), kTwo);
  EXPECT_TRUE(dead.Asked().empty()) << "not even for the set file";
}

}  // namespace
}  // namespace sluice::server::policy
