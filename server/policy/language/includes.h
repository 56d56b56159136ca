#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/language/syntax.h"
#include "server/policy/language/token_stream.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Most bytes of a policy's own text and of the files it includes, each counted as often as it is
// included. Room for kMostRules rules of generous length.
inline constexpr size_t kLargestPolicy = size_t{64} << 20;

// How deep files may include one another.
inline constexpr size_t kDeepestInclude = 16;

// The texts a policy is made of, which must outlive what is read from them.
struct PolicyTexts {
  std::string_view own;
  std::map<std::string, std::string_view, std::less<>> files;  // Files it may include, by name.
};

// The tokens of a policy's own text and, in place of an `include`, those of the file it names. A
// file's name is relative to the policy's own text: `include "b"` in "lists/a" names "lists/b". One
// thread.
class Includes final {
 public:
  Includes(const PolicyTexts& texts, Problems* problems /* Not owned. */);

  // The tokens of the text being read.
  TokenStream& tokens() { return open_.back().tokens; }

  // Goes on with the file that `name` means in the text being read, or reports why it cannot.
  void Open(const Word& name);
  // Goes back to the text that includes the one being read; false in the policy's own text.
  bool Close();

  // The names of the files opened, by Place::file, and of those that were missing.
  void Take(std::vector<std::string>& files, std::vector<std::string>& missing) &&;

 private:
  struct OpenText {
    uint32_t file;
    TokenStream tokens;
  };

  // The file's number for Place::file; a new one if it has not been opened before.
  uint32_t Number(const std::string& name);
  // "a includes b includes a", for the open files from `from` on.
  std::string Circle(size_t from) const;

  const PolicyTexts& texts_;
  Problems* const problems_;
  std::deque<OpenText>
      open_;  // The first is the policy's own, each other is included by the one before.
  std::vector<std::string> files_ = {""};
  std::map<std::string, uint32_t> numbers_;
  std::vector<std::string> missing_;
  size_t size_;  // Bytes of all texts opened.
};

}  // namespace sluice::server::policy
