#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "server/policy/language/lexer.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Words that have a meaning wherever they stand, and so cannot be names; a host whose name is one
// of them is written in capitals. All keywords are lower-case.
inline constexpr std::array<std::string_view, 29> kKeywords = {
    "accept",   "and",  "any",      "between",  "default",   "for",     "from",    "host",
    "host-not", "icmp", "is",       "log",      "net",       "net-not", "netmask", "not",
    "notify",   "port", "port-not", "proto",    "proto-not", "reject",  "subnet",  "subnet-not",
    "tcp",      "to",   "type",     "type-not", "udp"};

inline constexpr bool IsKeyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

// Words that begin a statement. screend's are keywords. The others are not, since a legal screend
// file may have hosts with these names; but no host's name stands where a statement may begin.
inline constexpr bool IsStarter(std::string_view word) {
  return word == "from" || word == "between" || word == "default" || word == "for" ||
         word == "rule" || word == "set" || word == "decider" || word == "include";
}

// The tokens of a text, with the current one in front, for the functions that read a part of the
// policy. The functions that may find something else report what they expected and return false.
// One thread.
class TokenStream final {
 public:
  using Words = std::span<const std::string_view>;

  // `file`: Place::file of the places.
  TokenStream(std::string_view text, Problems* problems /* Not owned. */, uint32_t file);

  const Token& token() const { return token_; }
  // Just after the previous token.
  Place previous_end() const { return previous_end_; }
  Problems& problems() { return *problems_; }

  void Advance();

  bool At(std::string_view word) const { return token_.IsWord() && token_.text == word; }
  bool At(Token::Kind kind) const { return token_.kind == kind; }
  // At a word that begins a statement and not a scope.
  bool AtStatement() const { return AtStarter() && !AtScope(); }
  // At a `for` or `from` that begins a scope and not a statement, to judge by the next token.
  bool AtScope() const;
  // If the word, or the token, is here, goes past it.
  bool Take(std::string_view word);
  bool Take(Token::Kind kind);

  // Reports that `expected`, a text for people, is not here. `words` are those that may have been
  // meant.
  bool Fail(std::string_view expected, Words words = {});
  bool Fail(std::string_view expected, std::initializer_list<std::string_view> words) {
    return Fail(expected, Words(words.begin(), words.size()));
  }

  bool Expect(std::string_view word) { return Take(word) || Fail(Quoted(word), {word}); }
  bool Expect(Token::Kind kind, std::string_view expected) { return Take(kind) || Fail(expected); }

  // Reads a word that is not a keyword, except `any` or one of `allowed`.
  bool Value(std::string_view what, Words allowed, Word& value);
  bool String(std::string_view what, Word& value);

  // Reads the `;`. If it is missing before the next statement, the next line or the end, that is
  // reported at the place where it should be, and reading goes on.
  bool End(std::string_view expected, Words words);

  // Skips to where a new statement begins.
  void Recover();

 private:
  bool AtStarter() const;

  Lexer lexer_;
  Problems* const problems_;
  Token token_;
  Token next_;
  Place previous_end_;
};

}  // namespace sluice::server::policy
