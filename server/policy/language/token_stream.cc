#include "server/policy/language/token_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/policy/terms/nearest_word.h"

namespace sluice::server::policy {

TokenStream::TokenStream(std::string_view text, Problems* problems, uint32_t file)
    : lexer_(text, problems, file),
      problems_(problems),
      token_(lexer_.Next()),
      next_(lexer_.Next()) {
  previous_end_.file = file;
}

void TokenStream::Advance() {
  previous_end_ = token_.end;
  token_ = next_;
  next_ = lexer_.Next();
}

bool TokenStream::AtStarter() const { return token_.IsWord() && IsStarter(token_.text); }

bool TokenStream::AtScope() const {
  if (!next_.IsWord()) return false;
  const auto next_is = [this](std::string_view word) {
    return next_.text == word || !NearestWord(next_.text, {{word}}).empty();
  };
  if (At("from")) return next_is("source");
  // A network has dots; a duration has none.
  return At("for") && (next_is("connection") || (absl::ascii_isdigit(next_.text.front()) &&
                                                 next_.text.find('.') == std::string_view::npos));
}

bool TokenStream::Take(std::string_view word) {
  if (!At(word)) return false;
  Advance();
  return true;
}

bool TokenStream::Take(Token::Kind kind) {
  if (!At(kind)) return false;
  Advance();
  return true;
}

bool TokenStream::Fail(std::string_view expected, Words words) {
  std::string message = absl::StrCat("expected ", std::string(expected), ", found ");
  if (token_.kind == Token::Kind::kEnd) {
    message += token_.place.file == 0 ? "the end of the policy" : "the end of the file";
  } else {
    message += Quoted(token_.text);
    const std::string_view meant =
        token_.IsWord() ? NearestWord(token_.text, words) : std::string_view();
    if (!meant.empty()) absl::StrAppend(&message, ": did you mean ", Quoted(meant), "?");
  }
  problems_->Add(token_.place, std::move(message));
  return false;
}

bool TokenStream::Value(std::string_view what, Words allowed, Word& value) {
  if (!token_.IsWord()) return Fail(what);
  if (IsKeyword(token_.text) && token_.text != "any" &&
      std::find(allowed.begin(), allowed.end(), token_.text) == allowed.end()) {
    problems_->Add(token_.place,
                   absl::StrCat("expected ", std::string(what), ", found the keyword ",
                                Quoted(token_.text), ": write a name like it in capitals"));
    return false;
  }
  value = {token_.text, token_.place};
  Advance();
  return true;
}

bool TokenStream::String(std::string_view what, Word& value) {
  if (!At(Token::Kind::kString)) return Fail(what);
  value = {token_.text, token_.place};
  Advance();
  return true;
}

bool TokenStream::End(std::string_view expected, Words words) {
  if (Take(Token::Kind::kSemicolon)) return true;
  if (token_.kind != Token::Kind::kEnd && !AtStatement() &&
      (token_.place.line == previous_end_.line ||
       (token_.IsWord() && !NearestWord(token_.text, words).empty()))) {
    return Fail(expected, words);
  }
  problems_->Add(previous_end_, "expected `;` at the end of the statement");
  return true;
}

void TokenStream::Recover() {
  // The function that failed has either taken a token or stands at one that does not begin a
  // statement, so this always makes progress.
  while (token_.kind != Token::Kind::kEnd && token_.kind != Token::Kind::kSemicolon &&
         !AtStatement()) {
    Advance();
  }
  Take(Token::Kind::kSemicolon);
}

}  // namespace sluice::server::policy
