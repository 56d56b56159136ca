#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace sluice::server::policy {

// A place in a policy's text, and how much of its line it covers. Columns and lengths count
// characters; a tab is one.
struct Place {
  uint32_t line = 1;
  uint32_t column = 1;
  uint32_t length = 1;
  uint32_t file =
      0;  // 0 is the policy's own text; included files follow in the order they were opened.

  bool operator==(const Place& other) const = default;
  bool operator<(const Place& other) const {
    return std::tie(file, line, column) < std::tie(other.file, other.line, other.column);
  }
};

// What is wrong at a place. The message is valid UTF-8, whatever the text was.
struct Problem {
  Place place;
  std::string message;
};

// Gathers what is wrong with one policy while it is read. Owned by whoever compiles the policy; one
// thread. Once full, it ignores further problems: nobody reads a thousand of them, and a file that
// is no policy at all must not produce a thousand messages.
class Problems final {
 public:
  static constexpr size_t kMost = 50;

  // `unanswered`: only a name could not be looked up (IsUnanswered), so this may not be a problem
  // later.
  void Add(Place place, std::string message, bool unanswered = false);

  bool empty() const { return problems_.empty(); }
  // Whether there are problems and all of them are `unanswered`.
  bool all_unanswered() const { return !empty() && unanswered_ == problems_.size(); }
  bool full() const { return problems_.size() >= kMost; }

  // In order of place; if there may be more, the last one says so.
  std::vector<Problem> Take() &&;

 private:
  std::vector<Problem> problems_;
  size_t unanswered_ = 0;
};

// `text` as messages show it: in backquotes, on one line, at most 40 characters.
std::string Quoted(std::string_view text);

}  // namespace sluice::server::policy
