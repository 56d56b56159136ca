#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/problems.h"
#include "server/policy/syntax.h"
#include "server/policy/token_stream.h"

namespace sluice::server::policy {

// Bytes of a policy's own text and of the files it includes, each as often as it is. Room for
// kMostRules generous rules.
inline constexpr size_t kLargestPolicy = size_t{64} << 20;

// Files that include one another, one inside the other.
inline constexpr size_t kDeepestInclude = 16;

// The texts a policy is made of, which must outlive what is read from them.
struct PolicyTexts {
  std::string_view own;
  std::map<std::string, std::string_view, std::less<>> files;  // That it may include, by name.
};

// The tokens of a policy's own text and, where an `include` was, those of the file it names. Files
// are known by the names they have seen from the policy's own text: what `include "b"` in "lists/a"
// means is "lists/b". One thread.
class Includes final {
 public:
  Includes(const PolicyTexts& texts, Problems* problems /* Not owned. */);

  // Of the text at hand.
  TokenStream& tokens() { return open_.back().tokens; }

  // Goes on with the file `name` names in the text at hand, or reports why not.
  void Open(const Word& name);
  // Goes back to the text that includes the one at hand; false in the policy's own.
  bool Close();

  // The names of files opened, by Place::file, and of those that were not there.
  void Take(std::vector<std::string>& files, std::vector<std::string>& missing) &&;

 private:
  struct OpenText {
    uint32_t file;
    TokenStream tokens;
  };

  // Of the file, as those of a place; a new one if it has not been opened before.
  uint32_t Number(const std::string& name);
  // "a includes b includes a", of the files open from this one on.
  std::string Circle(size_t from) const;

  const PolicyTexts& texts_;
  Problems* const problems_;
  std::deque<OpenText> open_;  // Each but the first included by the one before it.
  std::vector<std::string> files_ = {""};
  std::map<std::string, uint32_t> numbers_;
  std::vector<std::string> missing_;
  size_t size_;  // Of all texts opened.
};

}  // namespace sluice::server::policy
