#include "clients/cli/format/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::cli {
namespace {

TEST(Table, AlignsWhatItHeldBack) {
  std::ostringstream out;
  {
    Table table({{"NAME"}, {"N", Align::kRight}, {"WHY"}}, &out, /*color=*/false);
    table.Row({"gw1", "7", "short"});
    table.Row({"gateway-zürich", "12345", ""});
    EXPECT_EQ(out.str(), "");
  }
  EXPECT_EQ(out.str(),
            "NAME                N  WHY\n"
            "gw1                 7  short\n"
            "gateway-zürich  12345\n");
}

TEST(Table, PrintsAtOnceWhereNothingIsHeld) {
  std::ostringstream out;
  Table table({{"A", Align::kLeft, 3}, {"B"}}, &out, false, /*held=*/0);
  table.Row({"1", "x"});
  EXPECT_EQ(out.str(), "A    B\n1    x\n");
  table.Row({"12345", "y"});
  table.Row({"1", "z"});
  EXPECT_EQ(out.str(), "A    B\n1    x\n12345  y\n1      z\n");
}

TEST(Table, LinesStandBetweenRows) {
  std::ostringstream out;
  Table table({{"A"}}, &out, false);
  table.Row({"1"});
  table.Line({"-- gap --"});
  table.Row({"2"});
  EXPECT_EQ(out.str(), "A\n1\n-- gap --\n2\n");
}

TEST(Table, ColorsDoNotDisturbTheColumns) {
  std::ostringstream out;
  Table table({{"A"}, {"B"}}, &out, true, 0);
  table.Row({{"bad", Color::kRed}, "x"});
  EXPECT_EQ(out.str(),
            "\x1b[1mA\x1b[0m    \x1b[1mB\x1b[0m\n"
            "\x1b[31mbad\x1b[0m  x\n");
}

TEST(Table, MakesTextHarmlessAndIgnoresSurplusCells) {
  std::ostringstream out;
  Table table({{"A"}}, &out, false, 0);
  table.Row({"a\x1b[2J", "surplus"});
  EXPECT_EQ(out.str(), "A\na\\x1b[2J\n");
}

TEST(Table, EmptyStillHasItsTitles) {
  std::ostringstream out;
  { Table table({{"A"}, {"B"}}, &out, false); }
  EXPECT_EQ(out.str(), "A  B\n");
}

}  // namespace
}  // namespace sluice::cli
