#include "server/policy/terms/set_text.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/terms/address.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

std::string_view WithoutSpace(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Removes the first line and returns it; a line ends with \n, \r\n or \r.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find_first_of("\r\n");
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(line.size());
  if (text->starts_with("\r\n")) text->remove_prefix(1);
  if (!text->empty()) text->remove_prefix(1);
  return line;
}

// The line without the number after its address, which says, for example, how many lists have the
// address.
std::string_view WithoutCount(std::string_view line) {
  const auto space = std::find_if(line.rbegin(), line.rend(), IsSpace);
  if (space == line.rend() || !std::all_of(line.rbegin(), space, IsDigit)) return line;
  const std::string_view before = WithoutSpace(line.substr(0, line.rend() - space));
  return before.ends_with('-') ? line : before;
}

// Not cut to Quoted's length: a path that is cut says nothing.
std::string Quote(std::string_view path) {
  constexpr size_t kMostCharacters = 1024;
  return absl::StrCat("`", OneLine(path, kMostCharacters), "`");
}

absl::Status Wrong(std::string_view why) {
  return absl::InvalidArgumentError(absl::string_view(why.data(), why.size()));
}

absl::StatusOr<Address> AddressOf(std::string_view word) {
  absl::StatusOr<Address> address = ParseAddress(word);
  if (address.ok()) return address;
  if (std::any_of(word.begin(), word.end(), IsSpace)) {
    return Wrong("behind the address, there is something that is neither a number nor a comment");
  }
  return Wrong("it has no address, prefix or range, and is no comment (`#` or `;`)");
}

absl::StatusOr<AddressPattern> PrefixOf(std::string_view word) {
  absl::StatusOr<AddressPattern> prefix = ParsePrefix(word);
  if (prefix.ok()) return prefix;
  const size_t slash = word.find('/');
  const absl::StatusOr<Address> address = AddressOf(word.substr(0, slash));
  if (!address.ok()) return address.status();
  const uint32_t most = word.find(':') == std::string_view::npos ? 32 : 128;
  const auto length = ParseNumber(word.substr(slash + 1), most);
  if (!length.ok() || !*length) {
    return Wrong(absl::StrCat("behind the `/`, there is no prefix length from 0 to ", most));
  }
  return prefix.status();
}

// As in ParsePrefix, the range of all IPv4-mapped addresses does not mean all of IPv4.
bool IsAllMapped(std::string_view first, const std::vector<AddressPattern>& patterns) {
  return first.find(':') != std::string_view::npos && patterns.size() == 1 &&
         patterns.front().value.size == 4 &&
         patterns.front().mask == decltype(AddressPattern::mask){};
}

absl::Status AddRange(std::string_view first, std::string_view last,
                      std::vector<AddressPattern>* patterns) {
  const absl::StatusOr<Address> low = AddressOf(WithoutSpace(first));
  if (!low.ok()) return low.status();
  const absl::StatusOr<Address> high = AddressOf(WithoutSpace(last));
  if (!high.ok()) return high.status();
  absl::StatusOr<std::vector<AddressPattern>> range = CoverRange(*low, *high);
  if (!range.ok()) return range.status();
  if (IsAllMapped(first, *range)) range = {*ParsePrefix("::ffff:0:0/96")};
  patterns->insert(patterns->end(), range->begin(), range->end());
  return absl::OkStatus();
}

absl::Status AddLine(std::string_view line, std::vector<AddressPattern>* patterns) {
  line = WithoutSpace(line.substr(0, line.find_first_of("#;")));
  if (line.empty()) return absl::OkStatus();
  const std::string_view word = WithoutCount(line);
  if (const size_t dash = word.find('-'); dash != std::string_view::npos) {
    return AddRange(word.substr(0, dash), word.substr(dash + 1), patterns);
  }
  if (word.find('/') != std::string_view::npos) {
    const absl::StatusOr<AddressPattern> prefix = PrefixOf(word);
    if (prefix.ok()) patterns->push_back(*prefix);
    return prefix.status();
  }
  const absl::StatusOr<Address> address = AddressOf(word);
  if (address.ok()) patterns->push_back(AddressPattern::Exactly(*address));
  return address.status();
}

}  // namespace

absl::StatusOr<std::vector<AddressPattern>> ParseSetText(std::string_view text,
                                                         std::string_view path) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return Wrong(absl::StrCat(Quote(path), " is UTF-16 text: save it as UTF-8"));
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<AddressPattern> patterns;
  for (size_t number = 1; !text.empty() && patterns.size() <= kMostSetAddresses; ++number) {
    const absl::Status status = AddLine(TakeLine(&text), &patterns);
    if (!status.ok()) {
      return Wrong(absl::StrCat("line ", number, " of ", Quote(path), ": ", status.message()));
    }
  }
  return patterns;
}

}  // namespace sluice::server::policy
