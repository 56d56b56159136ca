#include "server/policy/language/includes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/fake_names.h"
#include "server/policy/checker/test_packet.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Files = std::vector<std::pair<std::string, std::string>>;

v1::PolicyText PolicyOf(const std::string& text, const Files& files) {
  v1::PolicyText policy;
  policy.set_text(text);
  for (const auto& [name, content] : files) {
    v1::PolicyFile& file = *policy.add_files();
    file.set_name(name);
    file.set_text(content);
  }
  return policy;
}

RuleSet::Compiled Compile(const v1::PolicyText& policy) {
  policy::FakeNames names;
  RuleSet::Compiled compiled = RuleSet::Compile(policy, names);
  EXPECT_EQ(compiled.rules == nullptr, !compiled.problems.empty());
  EXPECT_EQ(RuleSet::MissingFiles(policy), compiled.missing_files);
  EXPECT_THAT(names.Asked(), IsEmpty());
  return compiled;
}

// FILE:LINE:COLUMN+LENGTH: MESSAGE, a line each.
std::string ProblemsOf(const std::string& text, const Files& files) {
  std::string shown;
  for (const v1::PolicyProblem& problem : Compile(PolicyOf(text, files)).problems) {
    absl::StrAppend(&shown, problem.file(), ":", problem.line(), ":", problem.column(), "+",
                    problem.length(), ": ", problem.message(), "\n");
  }
  return shown;
}

TEST(IncludesTest, StandsForWhatIsInTheFile) {
  const auto compiled = Compile(PolicyOf(
      "from tcp port 1 to any accept;\n"
      "include \"lists/mail\"; from tcp port 3 to any accept;\n"
      "default accept;",
      {{"lists/mail", "include \"sub/../more\";\n\nrule \"in\" from tcp port 2 to @s accept;"},
       {"lists/more", "set s = {10.0.0.2}; from tcp port 5 to any reject; default reject;"},
       {"unused", "nonsense"}}));
  ASSERT_NE(compiled.rules, nullptr);
  EXPECT_EQ(compiled.rules->size(), 4u);
  const auto reason = [&](uint32_t port) {
    return compiled.rules->Decide(policy::Tcp("10.0.0.1", port, "10.0.0.2", 80)).reason;
  };
  EXPECT_EQ(reason(1), "rule 1, line 1");
  EXPECT_EQ(reason(5), "rule 2, lists/more line 1");
  EXPECT_EQ(reason(2), "rule 3 \"in\", lists/mail line 3");
  EXPECT_EQ(reason(3), "rule 4, line 2");
  // The last default counts, wherever it stands.
  EXPECT_EQ(compiled.rules->Decide(policy::Tcp("10.0.0.1", 9, "10.0.0.2", 80)).action,
            v1::ACTION_ACCEPT);
}

TEST(IncludesTest, NamesAreRelativeToTheFileTheyAreIn) {
  const auto missing = [](const std::string& text, const Files& files) {
    return Compile(PolicyOf(text, files)).missing_files;
  };
  EXPECT_THAT(missing("include \"b\"; include \"./b\"; include \"a//c\";", {}),
              ElementsAre("b", "a/c"));
  EXPECT_THAT(missing("include \"lists/a\";", {{"lists/a", "include \"b\"; include \"../c\";"}}),
              ElementsAre("lists/b", "c"));
  EXPECT_THAT(missing("include \"../a\";", {{"../a", "include \"../b\"; include \"/c\";"}}),
              ElementsAre("../../b", "/c"));
  EXPECT_THAT(missing("include \"/etc/a\";", {{"/etc/a", "include \"b\";"}}),
              ElementsAre("/etc/b"));
}

TEST(IncludesTest, WhatIsNotThereIsSaidWithoutAskingForNames) {
  EXPECT_EQ(
      ProblemsOf("from host nowhere to @s accept;\ninclude \"lists/s\";\ninclude \"lists/s\";", {}),
      ":2:9+9: the file `lists/s` is not there\n");
}

TEST(IncludesTest, ProblemsSayTheirFile) {
  EXPECT_EQ(ProblemsOf("default acept; include \"b\"; include \"a\";\nform;",
                       {{"a", "\n from 10.0.0.1/8 to any accept;"}, {"b", "default accept"}}),
            ":1:9+5: expected `accept`, `reject` or `ask`, found `acept`: did you mean `accept`?\n"
            ":2:1+4: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
            "`default` or `for`, found `form`: did you mean `from`?\n"
            "b:1:15+1: expected `;` at the end of the statement\n"
            "a:2:7+10: `10.0.0.1/8` has bits set behind the prefix: did you mean `10.0.0.0/8`?\n");
  EXPECT_EQ(ProblemsOf("include \"a\"; to any accept;", {{"a", "from any"}}),
            ":1:14+2: expected a statement: `from`, `between`, `rule`, `set`, `decider`, "
            "`include`, `default` or `for`, found `to`\n"
            "a:1:9+1: expected `icmp`, `tcp`, `udp`, `proto` or `to`, found the end of the file\n");
}

TEST(IncludesTest, AFileCannotIncludeItself) {
  EXPECT_EQ(ProblemsOf("include \"a\";", {{"a", "include \"./a\";"}}),
            "a:1:9+5: a file cannot include itself: `a` includes `a`\n");
  EXPECT_EQ(ProblemsOf("include \"x\";", {{"x", "include \"d/a\";"},
                                          {"d/a", "\ninclude \"b\";"},
                                          {"d/b", "include \"../d/a\";"}}),
            "d/b:1:9+8: a file cannot include itself: `d/a` includes `d/b` includes `d/a`\n");
  // Including a file twice, one after the other, is not a circle.
  EXPECT_EQ(ProblemsOf("include \"a\"; include \"a\";", {{"a", "from any to any accept;"}}), "");
}

TEST(IncludesTest, TheDepthIsBounded) {
  Files files;
  for (int i = 1; i <= 16; ++i) {
    files.emplace_back(absl::StrCat(i), absl::StrCat("include \"", i + 1, "\";"));
  }
  files.emplace_back("17", "default accept;");
  EXPECT_EQ(ProblemsOf("include \"2\";", files), "");
  EXPECT_EQ(ProblemsOf("include \"1\";", files),
            "16:1:9+4: files include one another at most 16 deep\n");
}

// A file included ten times by a file that is itself included ten times, and so on, soon makes a
// large policy.
TEST(IncludesTest, TheSizeIsBounded) {
  std::string ten;
  for (int i = 0; i < 10; ++i) ten += "include \"NEXT\";\n";
  Files files;
  for (int i = 0; i < 7; ++i) {
    std::string text = ten;
    for (size_t at; (at = text.find("NEXT")) != std::string::npos;) {
      text.replace(at, 4, absl::StrCat(i + 1));
    }
    files.emplace_back(absl::StrCat(i), text);
  }
  files.emplace_back("7", "");
  policy::FakeNames names;
  const auto problems = RuleSet::Compile(PolicyOf("include \"0\";", files), names).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].message(), "too many rules: a policy has at most 1000000");

  EXPECT_EQ(ProblemsOf("include \"a\";", {{"a", std::string(size_t{64} << 20, ' ')}}),
            ":1:9+3: too large: a policy and the files it includes have at most 67108864 bytes\n");
}

TEST(IncludesTest, ANameIsOnePeopleCanRead) {
  EXPECT_EQ(ProblemsOf("include \"\"; include \"a\x01\"; include b;", {}),
            ":1:9+2: `` is no name of a file\n"
            ":1:21+4: `a\\x01` is no name of a file\n"
            ":1:35+1: expected the name of a file in quotes, found `b`\n");
}

}  // namespace
}  // namespace sluice::server
