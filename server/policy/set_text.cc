#include "server/policy/set_text.h"

#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/policy/problems.h"

namespace sluice::server::policy {
namespace {

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

std::string_view WithoutSpace(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

absl::StatusOr<AddressPattern> AddressOrPrefix(std::string_view word) {
  if (word.find('/') != std::string_view::npos) return ParsePrefix(word);
  const absl::StatusOr<Address> address = ParseAddress(word);
  if (!address.ok()) return address.status();
  return AddressPattern::Exactly(*address);
}

}  // namespace

absl::StatusOr<std::vector<AddressPattern>> ParseSetText(std::string_view text,
                                                         std::string_view path) {
  std::vector<AddressPattern> patterns;
  for (size_t number = 1; !text.empty() && patterns.size() <= kMostSetAddresses; ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view word = WithoutSpace(line.substr(0, line.find('#')));
    if (word.empty()) continue;
    const absl::StatusOr<AddressPattern> pattern = AddressOrPrefix(word);
    if (!pattern.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " of ", Quoted(path),
                       " is neither an address nor a prefix without bits behind it"));
    }
    patterns.push_back(*pattern);
  }
  return patterns;
}

}  // namespace sluice::server::policy
