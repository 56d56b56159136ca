#include "server/policy/problems.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server::policy {
namespace {

// Bytes of the UTF-8 character that `text` begins with; 0 if it begins with none that can be
// shown: RFC 3629, without the control characters.
size_t ShownCharacter(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  if (first == 0xc2 && second < 0xa0) return 0;   // C1 control characters
  if (first == 0xe0 && second < 0xa0) return 0;   // overlong
  if (first == 0xed && second >= 0xa0) return 0;  // surrogates
  if (first == 0xf0 && second < 0x90) return 0;   // overlong
  if (first == 0xf4 && second >= 0x90) return 0;  // beyond U+10FFFF
  if (first == 0xe2 && second == 0x80 && byte(2) >= 0xaa && byte(2) <= 0xae) return 0;  // bidi
  return size;
}

}  // namespace

void Problems::Add(Place place, std::string message) {
  if (!full()) problems_.push_back({place, std::move(message)});
}

std::vector<Problem> Problems::Take() && {
  std::stable_sort(problems_.begin(), problems_.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });
  if (full()) {
    absl::StrAppend(&problems_.back().message, " (", kMost,
                    " problems are shown; there may be more)");
  }
  return std::move(problems_);
}

std::string Printable(std::string_view text, int most_characters) {
  std::string printable;
  for (int shown = 0; !text.empty(); ++shown) {
    if (shown == most_characters) {
      printable += "…";
      break;
    }
    const size_t size = ShownCharacter(text);
    if (size == 0) {
      const auto byte = static_cast<uint8_t>(text[0]);
      absl::StrAppend(&printable, "\\x", absl::Hex(byte, absl::kZeroPad2));
    } else {
      printable.append(text.substr(0, size));
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return printable;
}

std::string Quoted(std::string_view text) {
  constexpr int kMostCharacters = 40;
  return absl::StrCat("`", Printable(text, kMostCharacters), "`");
}

}  // namespace sluice::server::policy
