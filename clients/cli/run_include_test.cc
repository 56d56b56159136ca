// Policies that include files, as sluicectl reads them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "clients/cli/run_fixture.h"

namespace sluice::cli {
namespace {

v1::CheckPolicyResponse Missing(const std::string& name, uint32_t line, const std::string& file) {
  v1::CheckPolicyResponse response;
  response.add_missing_files(name);
  v1::PolicyProblem& problem = *response.add_problems();
  problem.set_file(file);
  problem.set_line(line);
  problem.set_column(9);
  problem.set_length(static_cast<uint32_t>(name.size()) + 2);
  problem.set_message("the file `" + name + "` is not there");
  return response;
}

class RunIncludeTest : public RunTest {
 protected:
  RunIncludeTest() {
    std::filesystem::create_directories(folder_ + "/lists");
    Write("policy", "include \"lists/a\";\n");
  }
  ~RunIncludeTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }

  const std::string folder_ = testing::TempDir() + "/run_include_test";
};

TEST_F(RunIncludeTest, FilesGoWithThePolicy) {
  Write("lists/a", "\ninclude \"b\";\n");
  Write("lists/b", "default accept;\n");
  for (const char* verb : {"check", "apply"}) {
    server_.checks = {Missing("lists/a", 1, ""), Missing("lists/b", 2, "lists/a")};
    EXPECT_EQ(Ctl({"policy", verb, folder_ + "/policy"}), 0) << err();
    EXPECT_TRUE(server_.checks.empty());
    const v1::PolicyText& checked = server_.check_policy.policy();
    EXPECT_EQ(checked.text(), "include \"lists/a\";\n");
    ASSERT_EQ(checked.files_size(), 2);
    EXPECT_EQ(checked.files(0).name(), "lists/a");
    EXPECT_EQ(checked.files(0).text(), "\ninclude \"b\";\n");
    EXPECT_EQ(checked.files(1).name(), "lists/b");
    EXPECT_EQ(checked.files(1).text(), "default accept;\n");
  }
  EXPECT_EQ(server_.apply_policy.policy().files_size(), 2);
}

TEST_F(RunIncludeTest, WhatIsNotUtf8GoesAsUtf8) {
  const std::string folder = folder_ + "/caf\xe9";
  std::filesystem::create_directories(folder + "/lists");
  std::ofstream(folder + "/policy") << "# caf\xe9\ninclude \"lists/a\";\n";
  std::ofstream(folder + "/lists/a") << "# \xff\n";
  context_.user = "andr\xe9@desk";
  server_.checks = {Missing("lists/a", 2, "")};
  EXPECT_EQ(Ctl({"policy", "apply", folder + "/policy"}), 0) << err();
  const v1::ApplyPolicyRequest& apply = server_.apply_policy;
  EXPECT_EQ(apply.author(), "andr\\xe9@desk");
  EXPECT_EQ(apply.policy().source(), folder_ + "/caf\\xe9/policy");
  EXPECT_EQ(apply.policy().text(), "# caf\\xe9\ninclude \"lists/a\";\n");
  ASSERT_EQ(apply.policy().files_size(), 1);
  EXPECT_EQ(apply.policy().files(0).text(), "# \\xff\n");
  EXPECT_EQ(Ctl({"policy", "apply", folder + "/policy", "--author", "\xe5sa"}), 0) << err();
  EXPECT_EQ(server_.apply_policy.author(), "\\xe5sa");
  EXPECT_EQ(Ctl({"mode", "gw\xe9"}), 0) << err();
  EXPECT_EQ(server_.set_mode.gateway(), "gw\\xe9");
}

TEST_F(RunIncludeTest, WhatCannotBeReadIsSaidWhereItIsIncluded) {
  Write("lists/a", "\ninclude \"b\";\n");
  server_.checks = {Missing("lists/a", 1, ""), Missing("lists/b", 2, "lists/a")};
  EXPECT_EQ(Ctl({"policy", "apply", folder_ + "/policy"}), 1);
  EXPECT_EQ(out(), folder_ + "/lists/a:2:9: cannot read " + folder_ +
                       "/lists/b: No such file or directory\n"
                       "  include \"b\";\n"
                       "          ^~~~\n");
  EXPECT_EQ(err(), "sluicectl: " + folder_ + "/policy: 1 problem; the policy in force stays\n");
  EXPECT_FALSE(server_.apply_policy.has_policy());
}

// A server, or a program that poses as one, gets no other files of sluicectl's machine.
TEST_F(RunIncludeTest, OnlyWhatThePolicyIncludesIsSent) {
  Write("secret", "private");
  Write("lists/a", "# include \"../secret\";\n");
  for (const std::string& name :
       {std::string("secret"), folder_ + "/secret", std::string("/etc/hostname")}) {
    server_.checks = {Missing("lists/a", 1, ""), Missing(name, 1, "lists/a")};
    EXPECT_EQ(Ctl({"policy", "check", folder_ + "/policy"}), 1);
    EXPECT_TRUE(Contains(out(), "cannot read " + name +
                                    ", which the server asks for: no "
                                    "`include` names it"))
        << out();
    EXPECT_EQ(server_.check_policy.policy().files_size(), 1);
  }
}

TEST_F(RunIncludeTest, OfStandardInputTheyAreInTheWorkingDirectory) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  Write("lists/a", "default accept;\n");
  server_.checks = {Missing("lists/a", 1, "")};
  in_.str("include \"lists/a\";");
  EXPECT_EQ(Ctl({"policy", "check", "-"}), 0) << err();
  std::filesystem::current_path(before);
  ASSERT_EQ(server_.check_policy.policy().files_size(), 1);
  EXPECT_EQ(server_.check_policy.policy().files(0).text(), "default accept;\n");
}

// A server that always asks for more must not keep sluicectl busy for ever.
TEST_F(RunIncludeTest, DoesNotAskForEver) {
  Write("lists/a", "default accept;\n");
  server_.check = Missing("lists/a", 1, "");
  EXPECT_EQ(Ctl({"policy", "check", folder_ + "/policy"}), 1);
  EXPECT_TRUE(Contains(out(), "the file `lists/a` is not there")) << out();
}

TEST_F(RunIncludeTest, WarningsAreShownAndChangeNothing) {
  server_.check = Parse<v1::CheckPolicyResponse>(
      "rules: 2 warnings { line: 1 column: 1 length: 7 message: 'never matches' }");
  const std::string warning =
      folder_ + "/policy:1:1: warning: never matches\n" + "  include \"lists/a\";\n  ^~~~~~~\n";
  EXPECT_EQ(Ctl({"policy", "check", folder_ + "/policy"}), 0);
  EXPECT_EQ(out(), warning + folder_ + "/policy: ok, 2 rules, 1 warning\n");
  server_.apply = Parse<v1::ApplyPolicyResponse>(
      "previous { version: 0 } current { version: 1 source: 'my.policy' rules: 2 }");
  EXPECT_EQ(Ctl({"policy", "apply", folder_ + "/policy"}), 0);
  EXPECT_EQ(out(),
            warning + "was version 0 (built in, 0 rules)\nnow version 1 (my.policy, 2 rules)\n");
}

}  // namespace
}  // namespace sluice::cli
