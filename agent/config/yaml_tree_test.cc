#include "agent/config/yaml_tree.h"

#include <gtest/gtest.h>

#include <chrono>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

// "LINE:COLUMN key text" of each problem.
std::vector<std::string> Problems(std::string_view text) {
  std::vector<Problem> problems;
  ParseYaml(text, problems);
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    lines.push_back(absl::StrCat(problem.place.line, ":", problem.place.column, " ", problem.key,
                                 " ", problem.text));
  }
  return lines;
}

std::string FirstProblem(std::string_view text) {
  const auto problems = Problems(text);
  return problems.empty() ? "" : problems.front();
}

std::string Repeat(std::string_view text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(YamlTreeTest, KeepsWordsAndPlaces) {
  std::vector<Problem> problems;
  const auto tree = ParseYaml("# a comment\nmode: off\nlist: [a, 'on']\nempty:\n", problems);
  ASSERT_TRUE(tree);
  EXPECT_TRUE(problems.empty());
  ASSERT_EQ(tree->entries.size(), 3u);
  EXPECT_EQ(tree->entries[0].key, "mode");
  EXPECT_EQ(tree->entries[0].value.scalar, "off");
  EXPECT_EQ(tree->entries[0].value.place.line, 2);
  EXPECT_EQ(tree->entries[0].value.place.column, 7);
  ASSERT_EQ(tree->entries[1].value.items.size(), 2u);
  EXPECT_EQ(tree->entries[1].value.items[1].scalar, "on");
  EXPECT_EQ(tree->entries[2].value.kind, YamlValue::Kind::kNull);
}

TEST(YamlTreeTest, EmptyDocumentIsNull) {
  for (const char* text : {"", "\n\n", "# nothing\n", "---\n"}) {
    std::vector<Problem> problems;
    const auto tree = ParseYaml(text, problems);
    ASSERT_TRUE(tree) << text;
    EXPECT_TRUE(problems.empty()) << text;
    EXPECT_EQ(tree->kind, YamlValue::Kind::kNull) << text;
  }
}

TEST(YamlTreeTest, RefusesWhatHidesValues) {
  EXPECT_EQ(FirstProblem("a: 1\nb: 2\na: 3\n"), "3:1 a given twice: first on line 1, keep one");
  EXPECT_EQ(FirstProblem("a: &x 1\n"), "1:4  anchors (&name) are not allowed: write the value out");
  EXPECT_EQ(FirstProblem("a: !!int 1\n"), "1:4  tags (tag:yaml.org,2002:int) are not allowed");
  EXPECT_EQ(FirstProblem("[a]: 1\n"), "1:1  a key must be a word");
  EXPECT_EQ(Problems("[a]: 1\n").size(), 1u);
  EXPECT_EQ(Problems("a: &x 1\nb: *x\n").size(), 2u);
  EXPECT_EQ(FirstProblem("a: 1\n---\nb: 2\n"),
            "2:1  a second document begins here: a configuration file has one");
}

// Each of these values would show wrongly in a problem, a log or the system.
TEST(YamlTreeTest, RefusesValuesThatAreNoLine) {
  constexpr char kNoLine[] = "must be one line of UTF-8 text, without control characters";
  for (const char* value : {"|\n  two\n  lines\n", "\"a\\nb\"\n", "\"192.0.2.1\\0\"\n",
                            "\"\\e[2J\"\n", "\"\\x7f\"\n"}) {
    EXPECT_EQ(FirstProblem(absl::StrCat("a: ", value)), absl::StrCat("1:4  ", kNoLine)) << value;
  }
  EXPECT_EQ(FirstProblem("\"a\\nb\": 1\n"), absl::StrCat("1:1  ", kNoLine));
  EXPECT_EQ(FirstProblem("a: two\n  lines that are one\n"), "");
}

TEST(YamlTreeTest, SaysWhereYamlBreaks) {
  EXPECT_TRUE(FirstProblem("a: [1, 2\nb: 3\n").starts_with("2:")) << FirstProblem("a: [1, 2\nb: 3");
  EXPECT_NE(FirstProblem("a: b: c\n"), "");
  EXPECT_EQ(FirstProblem("a: 1\nb\xff: 2\n"),
            "2:2  byte 0xff is not allowed here: the file must be UTF-8 text");
  EXPECT_EQ(FirstProblem(std::string_view("a\0b", 3)),
            "1:2  byte 0x00 is not allowed here: the file must be UTF-8 text");
}

TEST(YamlTreeTest, BoundsSizeAndDepth) {
  EXPECT_EQ(FirstProblem(std::string(kMaxYamlBytes + 1, '#')),
            "1:1  too long: at most 1048576 bytes");
  EXPECT_EQ(FirstProblem(std::string(kMaxYamlBytes, '#')), "");
  const std::string too_deep = "nested too deep: at most 64 levels";
  const auto begun = std::chrono::steady_clock::now();
  for (const char* level :
       {"[", "{a: ", "- ", "? ", "- [", "a: [", "[{", ": ", "!a [", "&a [", "[[\n", "{ ? "}) {
    EXPECT_NE(FirstProblem(Repeat(level, 100'000)), "") << level;
  }
  EXPECT_NE(FirstProblem(Repeat("[", 65)).find(too_deep), std::string::npos);
  EXPECT_NE(FirstProblem(Repeat("- ", 65)).find(too_deep), std::string::npos);
  EXPECT_EQ(FirstProblem(Repeat("[", 64) + Repeat("]", 64)), "");
  std::string indented;
  for (int i = 0; i < 65; ++i) absl::StrAppend(&indented, std::string(i, ' '), "a:\n");
  EXPECT_EQ(FirstProblem(indented), absl::StrCat("65:65  ", too_deep));
  // None of this may take as long as parsing the whole text would.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

TEST(YamlTreeTest, BoundsKeys) {
  std::string many;
  for (int i = 0; i < 2000; ++i) absl::StrAppend(&many, "k", i, ": 1\n");
  EXPECT_EQ(FirstProblem(many), "1001:1  too many keys");
}

}  // namespace
}  // namespace sluice::agent
