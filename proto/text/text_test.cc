#include "proto/text/text.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace sluice {
namespace {

using std::string_view_literals::operator""sv;

TEST(TextTest, KnowsUtf8FromOtherBytes) {
  for (const std::string_view text :
       {""sv, "eth0"sv, "\0"sv, "café"sv, "ﷺ"sv, "𝄞"sv, "\xf4\x8f\xbf\xbf"sv}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const std::string_view text :
       {"caf\xe9"sv, "\x80"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xc3"sv, "\xe0\x9f\xbf"sv,
        "\xed\xa0\x80"sv, "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv,
        "\xe2\x82"sv, "\xff"sv}) {
    EXPECT_FALSE(IsUtf8(text));
  }
}

struct Sample {
  std::string_view bytes;
  std::string_view name;
  std::string_view text;
  std::string_view line;
};

TEST(TextTest, EscapesWhatIsNotUtf8OrDoesNotShow) {
  for (const auto& [bytes, name, text, line] : {
           Sample{"eth0", "eth0", "eth0", "eth0"},
           {"café", "café", "café", "café"},
           {"caf\xe9", "caf\\xe9", "caf\\xe9", "caf\\xe9"},
           {"a\\b", "a\\x5cb", "a\\b", "a\\b"},
           {"a\nb", "a\\x0ab", "a\nb", "a\\x0ab"},
           {"a\tb", "a\\x09b", "a\tb", "a\\x09b"},
           {"a\0b"sv, "a\\x00b", "a\0b"sv, "a\\x00b"},
           {"\x1b[2J", "\\x1b[2J", "\x1b[2J", "\\x1b[2J"},
           {"\u0085", "\\xc2\\x85", "\u0085", "\\xc2\\x85"},
           {"\u202egnp", "\\xe2\\x80\\xaegnp", "\u202egnp", "\\xe2\\x80\\xaegnp"},
           {"\u2066a", "\\xe2\\x81\\xa6a", "\u2066a", "\\xe2\\x81\\xa6a"},
           {"\u2028a", "\\xe2\\x80\\xa8a", "\u2028a", "\\xe2\\x80\\xa8a"},
           {"a\u200bb", "a\\xe2\\x80\\x8bb", "a\u200bb", "a\\xe2\\x80\\x8bb"},
           {"\ufeff", "\\xef\\xbb\\xbf", "\ufeff", "\\xef\\xbb\\xbf"},
           {"\U000e0041", "\\xf3\\xa0\\x81\\x81", "\U000e0041", "\\xf3\\xa0\\x81\\x81"},
           {"\xe2\x80", "\\xe2\\x80", "\\xe2\\x80", "\\xe2\\x80"},
       }) {
    EXPECT_EQ(EscapeName(bytes), name);
    EXPECT_EQ(ToUtf8(bytes), text);
    EXPECT_EQ(OneLine(bytes), line);
    EXPECT_EQ(UnescapeName(name), bytes);
  }
}

TEST(TextTest, NamesStayDifferent) {
  constexpr std::string_view kNames[] = {"caf\xe9", "caf\xe8",     "café",     "caf\\xe9",
                                         "caf?",    "caf\\x5cxe9", "caf\ufffd"};
  std::set<std::string> escaped;
  for (const std::string_view name : kNames) {
    EXPECT_TRUE(escaped.insert(EscapeName(name)).second) << name;
    EXPECT_EQ(UnescapeName(EscapeName(name)), name);
  }
}

TEST(TextTest, UnescapesOnlyWhatEscapeNameWrites) {
  for (const std::string_view name : {"\\", "\\x", "\\x4", "\\xE9", "\\xg0", "\\n", "a\\"}) {
    EXPECT_EQ(UnescapeName(name), name);
  }
}

TEST(TextTest, CutsALineBehindSoManyCharacters) {
  EXPECT_EQ(OneLine("äöü", 3), "äöü");
  EXPECT_EQ(OneLine("äöü", 2), "äö…");
  EXPECT_EQ(OneLine("\n\n\n", 2), "\\x0a\\x0a…");
}

TEST(TextTest, KeepsLinesAndTabs) {
  EXPECT_EQ(SafeLines("a\tb\n\x1b[1m\u202e\n\nend\xe9"),
            "a\tb\n\\x1b[1m\\xe2\\x80\\xae\n\nend\\xe9");
  EXPECT_EQ(SafeLines("a\n"), "a\n");
  EXPECT_EQ(SafeLines(""), "");
}

TEST(TextTest, BeginsWithWholeCharacters) {
  EXPECT_EQ(Beginning("café", 5), "café");
  EXPECT_EQ(Beginning("café", 4), "caf");
  EXPECT_EQ(Beginning("a𝄞", 4), "a");
  EXPECT_EQ(Beginning("𝄞", 3), "");
  EXPECT_EQ(Beginning("abc", 2), "ab");
  EXPECT_EQ(Beginning("abc", 0), "");
}

}  // namespace
}  // namespace sluice
