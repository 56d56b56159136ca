#include "server/policy/language/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace sluice::server::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Read {
  std::vector<std::string> tokens;    // LINE:COLUMN TEXT
  std::vector<std::string> problems;  // LINE:COLUMN MESSAGE
};

std::string At(Place place) {
  return std::to_string(place.line) + ":" + std::to_string(place.column) + " ";
}

Read Lex(std::string_view text) {
  Read read;
  Problems problems;
  Lexer lexer(text, &problems);
  Token token = lexer.Next();
  for (; token.kind != Token::Kind::kEnd; token = lexer.Next()) {
    read.tokens.push_back(At(token.place) + std::string(token.text));
  }
  EXPECT_EQ(lexer.Next().kind, Token::Kind::kEnd);
  for (const Problem& problem : std::move(problems).Take()) {
    read.problems.push_back(At(problem.place) + problem.message);
  }
  return read;
}

TEST(LexerTest, CutsWordsAndSemicolons) {
  const Read read = Lex("from any\n\tto host-not a.example;;x");
  EXPECT_THAT(read.tokens, ElementsAre("1:1 from", "1:6 any", "2:2 to", "2:5 host-not",
                                       "2:14 a.example", "2:23 ;", "2:24 ;", "2:25 x"));
  EXPECT_THAT(read.problems, IsEmpty());
}

TEST(LexerTest, AddressesAndPrefixesAreOneWord) {
  EXPECT_THAT(Lex("10.0.0.0/8 2001:db8::1/32 ::ffff:1.2.3.4").tokens,
              ElementsAre("1:1 10.0.0.0/8", "1:12 2001:db8::1/32", "1:27 ::ffff:1.2.3.4"));
}

TEST(LexerTest, PassesOverComments) {
  const Read read = Lex("# a ; /*\na/* b\n */c 10.0.0.0/8/**/d#e\n/***/f/*/ */g");
  EXPECT_THAT(read.tokens,
              ElementsAre("2:1 a", "3:4 c", "3:6 10.0.0.0/8", "3:20 d", "4:6 f", "4:13 g"));
  EXPECT_THAT(read.problems, IsEmpty());
}

TEST(LexerTest, LinesMayEndAsOnOtherSystems) {
  EXPECT_THAT(Lex("a\r\nb\r\n").tokens, ElementsAre("1:1 a", "2:1 b"));
  const Read read = Lex("# a\r\rb # c\r/* \r */ d \"e\rf");
  EXPECT_THAT(read.tokens, ElementsAre("3:1 b", "5:5 d", "6:1 f"));
  EXPECT_THAT(read.problems, ElementsAre("5:7 this text has no end in its line: expected `\"`"));
}

TEST(LexerTest, CountsCharactersNotBytes) {
  const Read read = Lex("/* é€😀 */ a é b");
  EXPECT_THAT(read.tokens, ElementsAre("1:11 a", "1:15 b"));
  EXPECT_THAT(read.problems,
              ElementsAre("1:13 unexpected `é`: a policy is made of words, `;` and comments"));
}

TEST(LexerTest, PassesOverAByteOrderMark) {
  EXPECT_THAT(Lex("\xef\xbb\xbf"
                  "from")
                  .tokens,
              ElementsAre("1:1 from"));
}

TEST(LexerTest, StrayCharactersAreOneProblemTogether) {
  const Read read = Lex("a (\\)b!; \x01\xff c");
  EXPECT_THAT(read.tokens, ElementsAre("1:1 a", "1:6 b", "1:8 ;", "1:13 c"));
  EXPECT_THAT(read.problems,
              ElementsAre("1:3 unexpected `(\\)`: a policy is made of words, `;` and comments",
                          "1:7 unexpected `!`: a policy is made of words, `;` and comments",
                          "1:10 unexpected `\\x01\\xff`: a policy is made of words, `;` and "
                          "comments"));
}

TEST(LexerTest, ListsAndTextsInQuotes) {
  const Read read = Lex("set @a={b,c} \"d; # é\" \"\"e");
  EXPECT_THAT(read.tokens, ElementsAre("1:1 set", "1:5 @a", "1:7 =", "1:8 {", "1:9 b", "1:10 ,",
                                       "1:11 c", "1:12 }", "1:14 d; # é", "1:23 ", "1:25 e"));
  EXPECT_THAT(read.problems, IsEmpty());
}

TEST(LexerTest, ATextInQuotesEndsInItsLine) {
  const Read read = Lex("a \"b c\nd \"" + std::string(1024, 'e') + "\" f \"g");
  EXPECT_THAT(read.tokens, ElementsAre("1:1 a", "2:1 d", "2:1030 f"));
  EXPECT_THAT(read.problems, ElementsAre("1:3 this text has no end in its line: expected `\"`",
                                         "2:3 a text in quotes has at most 1023 bytes, not 1024",
                                         "2:1032 this text has no end in its line: expected `\"`"));
}

TEST(LexerTest, ACommentMustEnd) {
  const Read read = Lex("a\n  /* b\nc");
  EXPECT_THAT(read.tokens, ElementsAre("1:1 a"));
  EXPECT_THAT(read.problems, ElementsAre("2:3 this comment has no end: expected `*/`"));
  EXPECT_THAT(Lex("/*/").problems, ElementsAre("1:1 this comment has no end: expected `*/`"));
}

TEST(LexerTest, AWordHasAnEnd) {
  EXPECT_EQ(Lex(std::string(255, 'a')).tokens.size(), 1u);
  const Read read = Lex(std::string(256, 'a') + " b");
  EXPECT_THAT(read.tokens, ElementsAre("1:258 b"));
  EXPECT_THAT(read.problems, ElementsAre("1:1 `" + std::string(40, 'a') +
                                         "…` has 256 characters; a word has at most 255"));
}

TEST(LexerTest, KnowsWhereATokenEnds) {
  Problems problems;
  Lexer lexer("ab\ncd ;", &problems);
  EXPECT_EQ(lexer.Next().end, (Place{1, 3}));
  EXPECT_EQ(lexer.Next().end, (Place{2, 3}));
  EXPECT_EQ(lexer.Next().end, (Place{2, 5}));
}

TEST(QuotedTest, EscapesWhatIsNoPrintableCharacter) {
  EXPECT_EQ(Quoted("a\n\x7f"), "`a\\x0a\\x7f`");
  EXPECT_EQ(Quoted("“é”"), "`“é”`");
  EXPECT_EQ(Quoted("\xc3"), "`\\xc3`");                    // cut short
  EXPECT_EQ(Quoted("\xc0\xaf"), "`\\xc0\\xaf`");           // overlong
  EXPECT_EQ(Quoted("\xed\xa0\x80"), "`\\xed\\xa0\\x80`");  // a surrogate
  EXPECT_EQ(Quoted("\xe2\x80\xae"), "`\\xe2\\x80\\xae`");  // right-to-left override
}

}  // namespace
}  // namespace sluice::server::policy
