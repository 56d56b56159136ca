#include "server/policy/language/lexer.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sluice::server::policy {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The kind of mark that a character is; kEnd if it is none.
Token::Kind MarkOf(char c) {
  switch (c) {
    case ';':
      return Token::Kind::kSemicolon;
    case ',':
      return Token::Kind::kComma;
    case '=':
      return Token::Kind::kEquals;
    case '{':
      return Token::Kind::kOpen;
    case '}':
      return Token::Kind::kClose;
    default:
      return Token::Kind::kEnd;
  }
}

}  // namespace

Lexer::Lexer(std::string_view text, Problems* problems, uint32_t file)
    : text_(text), problems_(problems) {
  place_.file = file;
  // Some editors write a byte order mark; it is not a part of the policy.
  if (text_.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
}

bool Lexer::AtComment() const {
  return text_[position_] == '#' || text_.substr(position_, 2) == "/*";
}

bool Lexer::AtWord() const {
  const char c = text_[position_];
  if (c == '/') return !AtComment();
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("-_.:%+@").find(c) != std::string_view::npos;
}

bool Lexer::AtLineEnd() const { return text_[position_] == '\n' || text_[position_] == '\r'; }

bool Lexer::AtSeparator() const {
  return absl::ascii_isspace(static_cast<unsigned char>(text_[position_]));
}

void Lexer::Advance() {
  const auto c = static_cast<unsigned char>(text_[position_++]);
  if (c == '\n' || (c == '\r' && (AtEnd() || text_[position_] != '\n'))) {
    ++place_.line;
    place_.column = 1;
  } else if (AtEnd() || (static_cast<unsigned char>(text_[position_]) & 0xc0) != 0x80) {
    ++place_.column;  // UTF-8: the next byte begins a new character.
  }
}

void Lexer::SkipComment() {
  if (text_[position_] == '#') {
    while (!AtEnd() && !AtLineEnd()) Advance();
    return;
  }
  const Place start = place_;
  const size_t end = text_.find("*/", position_ + 2);
  if (end == std::string_view::npos) {
    problems_->Add(start, "this comment has no end: expected `*/`");
    position_ = text_.size();
    return;
  }
  while (position_ < end + 2) Advance();
}

void Lexer::SkipStray() {
  Place start = place_;
  const size_t first = position_;
  while (!AtEnd() && MarkOf(text_[position_]) == Token::Kind::kEnd && text_[position_] != '"' &&
         !AtSeparator() && !AtComment() && !AtWord()) {
    Advance();
  }
  start.length = place_.column - start.column;
  problems_->Add(start, absl::StrCat("unexpected ", Quoted(text_.substr(first, position_ - first)),
                                     ": a policy is made of words, `;` and comments"));
}

std::optional<std::string_view> Lexer::TakeString() {
  Place start = place_;
  Advance();
  const size_t first = position_;
  while (!AtEnd() && text_[position_] != '"' && !AtLineEnd()) Advance();
  const std::string_view string = text_.substr(first, position_ - first);
  start.length = place_.column - start.column;
  if (AtEnd() || AtLineEnd()) {
    problems_->Add(start, "this text has no end in its line: expected `\"`");
    return std::nullopt;
  }
  Advance();
  ++start.length;
  if (string.size() <= kLongestString) return string;
  problems_->Add(start, absl::StrCat("a text in quotes has at most ", kLongestString,
                                     " bytes, not ", string.size()));
  return std::nullopt;
}

Token Lexer::Next() {
  while (!AtEnd()) {
    if (AtSeparator()) {
      Advance();
      continue;
    }
    if (AtComment()) {
      SkipComment();
      continue;
    }
    Place place = place_;
    const size_t first = position_;
    if (const Token::Kind mark = MarkOf(text_[position_]); mark != Token::Kind::kEnd) {
      Advance();
      return {mark, text_.substr(first, 1), place, place_};
    }
    if (text_[position_] == '"') {
      const auto string = TakeString();
      if (!string) continue;
      place.length = place_.column - place.column;
      return {Token::Kind::kString, *string, place, place_};
    }
    if (!AtWord()) {
      SkipStray();
      continue;
    }
    while (!AtEnd() && AtWord()) Advance();
    const std::string_view word = text_.substr(first, position_ - first);
    place.length = place_.column - place.column;
    if (word.size() <= kLongestWord) return {Token::Kind::kWord, word, place, place_};
    problems_->Add(place, absl::StrCat(Quoted(word), " has ", word.size(),
                                       " characters; a word has at most ", kLongestWord));
  }
  return {Token::Kind::kEnd, {}, place_, place_};
}

}  // namespace sluice::server::policy
