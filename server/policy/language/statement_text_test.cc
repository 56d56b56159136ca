#include "server/policy/language/statement_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server::policy {
namespace {

std::string At(const std::string& text, uint32_t line, uint32_t column) {
  return StatementTexts(text).At({line, column});
}

TEST(StatementTextTest, FromItsPlaceToItsEnd) {
  EXPECT_EQ(At("from any to any accept;", 1, 1), "from any to any accept;");
  EXPECT_EQ(At("a b; from any\tto any accept; c", 1, 6), "from any to any accept;");
  EXPECT_EQ(At("\n\nx;\n  from any  \r\n  to any accept; y;\n", 4, 3),
            "from any\n  to any accept;");
  EXPECT_EQ(At("from any to any accept", 1, 1), "from any to any accept");
  EXPECT_EQ(At("/* ö */ from any;", 1, 9), "from any;");
  EXPECT_EQ(At("# a;\r\rfrom any # b;\r  to any accept;\r", 3, 1),
            "from any # b;\n  to any accept;");
}

TEST(StatementTextTest, SemicolonsInTextsAndCommentsAreNoEnd) {
  EXPECT_EQ(At("from any match \"a;b\" x;y", 1, 1), "from any match \"a;b\" x;");
  EXPECT_EQ(At("from /* ;*/ any;y", 1, 1), "from /* ;*/ any;");
  EXPECT_EQ(At("from # ;\n any;y", 1, 1), "from # ;\n any;");
  EXPECT_EQ(At("from 10.0.0.0/8;y", 1, 1), "from 10.0.0.0/8;");
  EXPECT_EQ(At("from /* ;", 1, 1), "from /* ;");
}

TEST(StatementTextTest, LongOnesAreCut) {
  const std::string shown = At("from {" + std::string(100'000, '1') + "} to any accept;", 1, 1);
  EXPECT_EQ(shown, "from {" + std::string(394, '1') + "…");
}

TEST(StatementTextTest, PlacesThereAreNot) {
  for (const uint32_t line : {0u, 2u, 4'000'000'000u}) EXPECT_EQ(At("a;", line, 1), "");
  EXPECT_EQ(At("a;", 1, 4'000'000'000u), "");
  EXPECT_EQ(At("", 1, 1), "");
  // Bytes that are no text.
  EXPECT_EQ(At("\xff\x80\x01;", 1, 1), "\\xff\\x80\\x01;");
}

}  // namespace
}  // namespace sluice::server::policy
