#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace sluice::server::policy {

// A place in a policy's text, and how much of its line is meant. Columns and lengths are counted in
// characters, a tab being one.
struct Place {
  uint32_t line = 1;
  uint32_t column = 1;
  uint32_t length = 1;
  uint32_t file = 0;  // 0 is the policy's own text, others are those it includes, as they came.

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

// What is wrong with one policy, gathered while it is read. Owned by whoever compiles it; one
// thread. Once full it forgets what else is added: nobody reads a thousand problems, and a file
// that is no policy at all must not become a thousand messages.
class Problems final {
 public:
  static constexpr size_t kMost = 50;

  // `unanswered`: it may be none, were a name only looked up (IsUnanswered).
  void Add(Place place, std::string message, bool unanswered = false);

  bool empty() const { return problems_.empty(); }
  // There are problems, and all of them are such.
  bool all_unanswered() const { return !empty() && unanswered_ == problems_.size(); }
  bool full() const { return problems_.size() >= kMost; }

  // In order of place; the last one says so if there may be more.
  std::vector<Problem> Take() &&;

 private:
  std::vector<Problem> problems_;
  size_t unanswered_ = 0;
};

// `text` as messages show it: between backquotes, as one line of at most 40 characters.
std::string Quoted(std::string_view text);

}  // namespace sluice::server::policy
