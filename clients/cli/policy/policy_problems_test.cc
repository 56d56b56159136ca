#include "clients/cli/policy/policy_problems.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::cli {
namespace {

v1::PolicyProblem ProblemAt(uint32_t line, uint32_t column, uint32_t length) {
  v1::PolicyProblem problem;
  problem.set_line(line);
  problem.set_column(column);
  problem.set_length(length);
  problem.set_message("no such word");
  return problem;
}

std::string Print(const v1::PolicyText& policy, const v1::PolicyProblem& problem,
                  Severity severity = Severity::kError, bool color = false) {
  google::protobuf::RepeatedPtrField<v1::PolicyProblem> problems;
  *problems.Add() = problem;
  std::ostringstream out;
  PrintProblems(policy, problems, severity, color, out);
  return out.str();
}

v1::PolicyText PolicyOf(const std::string& text) {
  v1::PolicyText policy;
  policy.set_source("my.policy");
  policy.set_text(text);
  return policy;
}

std::string Print(const std::string& text, uint32_t line, uint32_t column, uint32_t length = 1) {
  return Print(PolicyOf(text), ProblemAt(line, column, length));
}

TEST(PrintProblems, PointsAtThePlace) {
  EXPECT_EQ(Print("default accept;\nfrom any two any accept;\n", 2, 10),
            "my.policy:2:10: no such word\n"
            "  from any two any accept;\n"
            "           ^\n");
}

TEST(PrintProblems, UnderlinesWhatIsMeant) {
  EXPECT_EQ(Print("from any two any accept;\n", 1, 10, 3),
            "my.policy:1:10: no such word\n"
            "  from any two any accept;\n"
            "           ^~~\n");
  EXPECT_EQ(Print("default", 1, 5, 4'000'000'000),
            "my.policy:1:5: no such word\n"
            "  default\n"
            "      ^~~\n");
  EXPECT_EQ(Print("default", 1, 5, 0), "my.policy:1:5: no such word\n  default\n      ^\n");
}

TEST(PrintProblems, MarksWarnings) {
  const v1::PolicyText policy = PolicyOf("default\n");
  EXPECT_EQ(Print(policy, ProblemAt(1, 1, 7), Severity::kWarning),
            "my.policy:1:1: warning: no such word\n  default\n  ^~~~~~~\n");
  EXPECT_EQ(Print(policy, ProblemAt(1, 1, 7), Severity::kWarning, /*color=*/true),
            "\x1b[1mmy.policy:1:1:\x1b[0m \x1b[33mwarning:\x1b[0m no such word\n  default\n  "
            "\x1b[33m^~~~~~~\x1b[0m\n");
}

TEST(PrintProblems, CallsIncludedFilesByTheirPath) {
  v1::PolicyText policy = PolicyOf("include \"lists/a\";\n");
  v1::PolicyFile& file = *policy.add_files();
  file.set_name("lists/a");
  file.set_text("one\ntwo\n");
  v1::PolicyProblem problem = ProblemAt(2, 1, 3);
  problem.set_file("lists/a");
  EXPECT_EQ(Print(policy, problem), "lists/a:2:1: no such word\n  two\n  ^~~\n");
  policy.set_source("/etc/sluice/policy");
  EXPECT_EQ(Print(policy, problem), "/etc/sluice/lists/a:2:1: no such word\n  two\n  ^~~\n");
  problem.set_file("lists/b");
  EXPECT_EQ(Print(policy, problem), "/etc/sluice/lists/b:2:1: no such word\n");
}

TEST(PrintProblems, ColumnsAreCharactersAndTabsAreOne) {
  EXPECT_EQ(Print("\tfrom zürich x\r\n", 1, 13),
            "my.policy:1:13: no such word\n"
            "   from zürich x\n"
            "              ^\n");
  EXPECT_EQ(Print("# a\r\rfrom x\rto", 3, 6),
            "my.policy:3:6: no such word\n"
            "  from x\n"
            "       ^\n");
}

TEST(PrintProblems, PointsBehindTheEnd) {
  EXPECT_EQ(Print("default", 1, 8), "my.policy:1:8: no such word\n  default\n         ^\n");
  EXPECT_EQ(Print("default", 1, 4'000'000'000),
            "my.policy:1:4000000000: no such word\n  default\n         ^\n");
}

TEST(PrintProblems, ShowsNoLineWhereThereIsNone) {
  EXPECT_EQ(Print("default\n", 7, 1), "my.policy:7:1: no such word\n");
  EXPECT_EQ(Print("default\n", 0, 0), "my.policy:0:0: no such word\n");
  EXPECT_EQ(Print("", 1, 1), "my.policy:1:1: no such word\n");
}

TEST(PrintProblems, ShowsOnlyTheNeighbourhoodOfALongLine) {
  const std::string line = std::string(200, 'a') + "B" + std::string(200, 'c');
  EXPECT_EQ(Print(line, 1, 201), "my.policy:1:201: no such word\n  " + std::string(60, 'a') + "B" +
                                     std::string(39, 'c') + "\n  " + std::string(60, ' ') + "^\n");
  EXPECT_EQ(Print(line, 1, 201, 150), "my.policy:1:201: no such word\n  " + std::string(60, 'a') +
                                          "B" + std::string(39, 'c') + "\n  " +
                                          std::string(60, ' ') + "^" + std::string(39, '~') + "\n");
}

}  // namespace
}  // namespace sluice::cli
