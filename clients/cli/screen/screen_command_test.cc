#include "clients/cli/screen/screen_command.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using Kind = ScreenCommand::Kind;
using Which = ScreenCommand::Which;

ScreenCommand Parsed(const std::string& line) {
  const auto command = ParseScreenCommand(line);
  EXPECT_TRUE(command.ok()) << line << ": " << command.status();
  return command.ok() ? *command : ScreenCommand();
}

TEST(ScreenCommandTest, Decisions) {
  const ScreenCommand accept = Parsed("accept");
  EXPECT_EQ(accept.kind, Kind::kDecide);
  EXPECT_EQ(accept.which, Which::kOldest);
  EXPECT_EQ(accept.verdict.action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(accept.verdict.reason(), "");

  const ScreenCommand drop = Parsed("  drop tcp-reset 3  because  it is #3 of many ");
  EXPECT_EQ(drop.which, Which::kNumber);
  EXPECT_EQ(drop.number, 3u);
  EXPECT_EQ(drop.verdict.action(), v1::ACTION_DROP);
  EXPECT_EQ(drop.verdict.notify(), v1::NOTIFY_TCP_RESET);
  EXPECT_EQ(drop.verdict.reason(), "it is #3 of many");

  EXPECT_EQ(Parsed("reject").verdict.action(), v1::ACTION_DROP);
  EXPECT_EQ(Parsed("accept all").which, Which::kAll);
  EXPECT_EQ(Parsed("drop because").verdict.reason(), "");
  EXPECT_EQ(Parsed("accept because all is well").which, Which::kOldest);

  const ScreenCommand hold = Parsed("hold 2.5 7");
  EXPECT_EQ(hold.verdict.action(), v1::ACTION_HOLD);
  EXPECT_EQ(hold.verdict.hold_for().seconds(), 2);
  EXPECT_EQ(hold.verdict.hold_for().nanos(), 500'000'000);
  EXPECT_EQ(hold.number, 7u);
}

TEST(ScreenCommandTest, OtherWords) {
  EXPECT_EQ(Parsed("quit").kind, Kind::kQuit);
  EXPECT_EQ(Parsed("help").kind, Kind::kHelp);
  for (const char* nothing : {"", "  \t\r", "# accept", "  #"}) {
    EXPECT_EQ(Parsed(nothing).kind, Kind::kNothing) << nothing;
  }
}

TEST(ScreenCommandTest, SaysWhatItDoesNotUnderstand) {
  for (const char* line :
       {"acept", "accept 0", "accept -1", "accept 3 4", "accept tcp-reset", "drop tcp-reset rst",
        "drop 3 tcp-reset", "hold", "hold 0", "hold x", "hold 61", "hold nan", "quit now",
        "accept 99999999999999999999", "accept all 3", "\xff"}) {
    const auto command = ParseScreenCommand(line);
    EXPECT_EQ(command.status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
  EXPECT_NE(ParseScreenCommand("acept").status().message().find("'acept'"), std::string::npos);
}

}  // namespace
}  // namespace sluice::cli
