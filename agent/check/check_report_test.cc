#include "agent/check/check_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

namespace sluice::agent {
namespace {

TEST(CheckReportTest, PrintsAndRemembers) {
  std::ostringstream out;
  CheckReport report(out);
  report.Ok("this");
  report.Note("that");
  EXPECT_TRUE(report.passed());
  report.Fail("the other", "is broken; mend it");
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(out.str(), "ok   this\nnote that\nFAIL the other: is broken; mend it\n");
}

TEST(CheckReportTest, TakesOverWhatAChildSays) {
  std::ostringstream out;
  CheckReport report(out);
  const pid_t parent = getpid();
  report.InChild("part", [parent](CheckReport& inner) {
    inner.Ok(getpid() == parent ? "same process" : "another process");
  });
  EXPECT_TRUE(report.passed());
  report.InChild("part", [](CheckReport& inner) {
    inner.Ok("a");
    inner.Fail("b", "c");
  });
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(out.str(), "ok   another process\nok   a\nFAIL b: c\n");
}

TEST(CheckReportTest, SurvivesAChildThatDies) {
  std::ostringstream out;
  CheckReport report(out);
  report.InChild("part", [](CheckReport& inner) {
    inner.Ok("not told");
    raise(SIGKILL);
  });
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(out.str(),
            "FAIL part: the check did not finish: Killed; see the kernel's log "
            "(dmesg)\n");
}

}  // namespace
}  // namespace sluice::agent
