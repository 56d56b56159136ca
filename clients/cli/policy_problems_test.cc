#include "clients/cli/policy_problems.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::cli {
namespace {

std::string Print(const std::string& text, uint32_t line, uint32_t column) {
  google::protobuf::RepeatedPtrField<v1::PolicyProblem> problems;
  v1::PolicyProblem* const problem = problems.Add();
  problem->set_line(line);
  problem->set_column(column);
  problem->set_message("no such word");
  std::ostringstream out;
  PrintProblems("my.policy", text, problems, /*color=*/false, out);
  return out.str();
}

TEST(PrintProblems, PointsAtThePlace) {
  EXPECT_EQ(Print("default accept;\nfrom any two any accept;\n", 2, 10),
            "my.policy:2:10: no such word\n"
            "  from any two any accept;\n"
            "           ^\n");
}

TEST(PrintProblems, ColumnsAreCharactersAndTabsAreOne) {
  EXPECT_EQ(Print("\tfrom zürich x\r\n", 1, 13),
            "my.policy:1:13: no such word\n"
            "   from zürich x\n"
            "              ^\n");
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
}

}  // namespace
}  // namespace sluice::cli
