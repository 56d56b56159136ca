#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "server/policy/lexer.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// The tokens of a policy with the one to look at in front, for the functions that read a part of
// it. Those that may find something else report what they expected and give false. One thread.
class TokenStream final {
 public:
  using Words = std::span<const std::string_view>;

  // `file`: of the places.
  TokenStream(std::string_view text, Problems* problems /* Not owned. */, uint32_t file);

  const Token& token() const { return token_; }
  // Just behind the token before it.
  Place previous_end() const { return previous_end_; }
  Problems& problems() { return *problems_; }

  void Advance();

  bool At(std::string_view word) const { return token_.IsWord() && token_.text == word; }
  bool At(Token::Kind kind) const { return token_.kind == kind; }
  // At a word that begins a statement; none but the words of a decision may stand there else.
  bool AtStatement() const { return AtStarter() && !AtScope(); }
  // At the `for` or `from` that begins a scope and no statement, as what follows says.
  bool AtScope() const;
  // Goes past the word, or the token, if it is here.
  bool Take(std::string_view word);
  bool Take(Token::Kind kind);

  // Reports that `expected`, for people, is not what is here; `words` are those it may have been
  // meant to be.
  bool Fail(std::string_view expected, Words words = {});
  bool Fail(std::string_view expected, std::initializer_list<std::string_view> words) {
    return Fail(expected, Words(words.begin(), words.size()));
  }

  bool Expect(std::string_view word) { return Take(word) || Fail(Quoted(word), {word}); }
  bool Expect(Token::Kind kind, std::string_view expected) { return Take(kind) || Fail(expected); }

  // A word that is no keyword but `any` or one of `allowed`.
  bool Value(std::string_view what, Words allowed, Word& value);
  bool String(std::string_view what, Word& value);

  // The `;`. One that is missing before the next statement, the next line or the end is reported
  // where it should be, and costs nothing else.
  bool End(std::string_view expected, Words words);

  // Goes on where a new statement begins.
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
