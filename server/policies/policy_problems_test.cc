#include "server/policies/policy_problems.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

std::string Format(const std::string& text, uint32_t line, uint32_t column, uint32_t length) {
  v1::PolicyText policy;
  policy.set_source("/etc/sluice/policy");
  policy.set_text(text);
  v1::PolicyProblem problem;
  problem.set_line(line);
  problem.set_column(column);
  problem.set_length(length);
  problem.set_message("no such word");
  return FormatProblem(policy, problem, "");
}

constexpr const char* kPlace = "/etc/sluice/policy:";

TEST(FormatProblemTest, UnderlinesWhatIsMeant) {
  EXPECT_EQ(Format("default accept;\n\tfrom zürich\ttwo any\r\n", 2, 14, 3),
            std::string(kPlace) + "2:14: no such word\n   from zürich two any\n" +
                std::string(15, ' ') + "^~~\n");
  EXPECT_EQ(Format("# a\r\rfrom x\rto", 3, 6, 1),
            std::string(kPlace) + "3:6: no such word\n  from x\n       ^\n");
}

TEST(FormatProblemTest, UnderlinesWhatIsMeantBehindWhatDoesNotShow) {
  EXPECT_EQ(Format("a\x1b b\u202e c", 1, 4, 2),
            std::string(kPlace) + "1:4: no such word\n  a\\x1b b\\xe2\\x80\\xae c\n" +
                "        ^~~~~~~~~~~~~\n");
}

TEST(FormatProblemTest, StaysInTheLine) {
  EXPECT_EQ(Format("default", 1, 8, 1),
            std::string(kPlace) + "1:8: no such word\n  default\n         ^\n");
  EXPECT_EQ(Format("default", 1, 4'000'000'000, 4'000'000'000),
            std::string(kPlace) + "1:4000000000: no such word\n  default\n         ^\n");
  EXPECT_EQ(Format("default", 1, 6, 4'000'000'000),
            std::string(kPlace) + "1:6: no such word\n  default\n       ^~\n");
  EXPECT_EQ(Format("default", 1, 0, 0),
            std::string(kPlace) + "1:0: no such word\n  default\n  ^\n");
}

TEST(FormatProblemTest, ShowsNoLineWhereThereIsNone) {
  EXPECT_EQ(Format("default\n", 7, 1, 1), std::string(kPlace) + "7:1: no such word\n");
  EXPECT_EQ(Format("", 1, 1, 1), std::string(kPlace) + "1:1: no such word\n");
  EXPECT_EQ(Format(std::string(401, 'a'), 1, 1, 1), std::string(kPlace) + "1:1: no such word\n");
}

TEST(FormatProblemTest, CallsIncludedFilesByTheirPath) {
  v1::PolicyText policy;
  policy.set_source("/etc/sluice/policy");
  v1::PolicyFile& file = *policy.add_files();
  file.set_name("lists/a");
  file.set_text("one\n\x1btwo\n");
  v1::PolicyProblem problem;
  problem.set_file("lists/a");
  problem.set_line(2);
  problem.set_column(2);
  problem.set_length(3);
  problem.set_message("never matches");
  EXPECT_EQ(FormatProblem(policy, problem, "warning: "),
            "/etc/sluice/lists/a:2:2: warning: never matches\n  \\x1btwo\n      ^~~\n");
}

}  // namespace
}  // namespace sluice::server
