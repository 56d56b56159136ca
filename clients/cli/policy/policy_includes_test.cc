#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/cli/policy/policy_text.h"

namespace sluice::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::set<std::string> In(const std::string& text) {
  v1::PolicyText policy;
  policy.set_text(text);
  return IncludedNames(policy);
}

TEST(IncludedNamesTest, WhatStatementsName) {
  EXPECT_THAT(In("include \"a\"; from any to any accept; include/* b */\n# c\n\"lists/b\";"),
              ElementsAre("a", "lists/b"));
  EXPECT_THAT(In("\xef\xbb\xbfinclude\"./lists/../a\""), ElementsAre("a"));
  EXPECT_THAT(In("include \"/etc/a\"; include \"../b\""), ElementsAre("../b", "/etc/a"));
  EXPECT_THAT(In("# c\rinclude \"a\""), ElementsAre("a"));
}

TEST(IncludedNamesTest, AndNothingElse) {
  EXPECT_THAT(In("# include \"a\"\n/* include \"b\"; */ set s from \"/c\";"), IsEmpty());
  EXPECT_THAT(In("rule \"include\" \"a\"; rule \"x include \" \"b\"; include any \"c\""),
              IsEmpty());
  EXPECT_THAT(In("include; \"a\"; xinclude \"b\"; include-x \"c\"; include \"a"), ElementsAre("a"));
  EXPECT_THAT(In("include"), IsEmpty());
  EXPECT_THAT(In("/* include \"a\""), IsEmpty());
  EXPECT_THAT(In("\""), IsEmpty());
}

TEST(IncludedNamesTest, IncludedFilesIncludeFromWhereTheyAre) {
  v1::PolicyText policy;
  v1::PolicyFile& file = *policy.add_files();
  file.set_name("lists/a");
  file.set_text("include \"b\"; include \"../c\"; include \"/d\";");
  EXPECT_THAT(IncludedNames(policy), ElementsAre("/d", "c", "lists/b"));
}

}  // namespace
}  // namespace sluice::cli
