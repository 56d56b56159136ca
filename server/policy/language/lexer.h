#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// A word, a text in quotes, a mark, or the end of the text.
struct Token {
  enum class Kind { kWord, kString, kSemicolon, kComma, kEquals, kOpen, kClose, kEnd };

  Kind kind = Kind::kEnd;
  std::string_view text;  // View of the lexer's text; a string without its quotes.
  Place place;            // Of its first character.
  Place end;              // Just after its last.

  bool IsWord() const { return kind == Kind::kWord; }
};

// Cuts a policy's text into tokens, one at a time. Words are made of letters, digits and
// `-_.:/%+@`; white space, `/* */` and `# …` separate them. Lines end with \n, \r\n or \r. Takes
// any bytes: what belongs to no token becomes a problem and is skipped. Keeps views of the text,
// which must outlive it. One thread.
class Lexer final {
 public:
  // No name is longer (RFC 1035); a longer word is a problem and is skipped.
  static constexpr size_t kLongestWord = 255;
  // Room for paths and expressions.
  static constexpr size_t kLongestString = 1023;

  // `file`: Place::file of the places it gives.
  Lexer(std::string_view text, Problems* problems /* Not owned. */, uint32_t file = 0);

  // The next token; at the end of the text, kEnd at each call.
  Token Next();

 private:
  bool AtEnd() const { return position_ == text_.size(); }
  bool AtComment() const;
  bool AtWord() const;
  bool AtLineEnd() const;
  bool AtSeparator() const;
  void Advance();
  void SkipComment();
  void SkipStray();
  // The text between the quotes; nothing if it is a problem.
  std::optional<std::string_view> TakeString();

  const std::string_view text_;
  Problems* const problems_;
  size_t position_ = 0;
  Place place_;
};

}  // namespace sluice::server::policy
