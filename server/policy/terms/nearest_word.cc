#include "server/policy/terms/nearest_word.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"

namespace sluice::server::policy {
namespace {

constexpr size_t kFarthest = 2;
// Longer than any word of the language; a longer word is near none of them.
constexpr size_t kLongest = 32;

// Number of edits from `given` to `word`; a swap of neighbours counts as one, a difference in case
// as none. Three rows of the usual table are enough; both words have at most kLongest letters.
size_t Edits(std::string_view given, std::string_view word) {
  std::array<std::array<size_t, kLongest + 1>, 3> rows{};
  const auto letter = [](std::string_view text, size_t i) {
    return absl::ascii_tolower(static_cast<unsigned char>(text[i]));
  };
  for (size_t j = 0; j <= word.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= given.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& second_above = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= word.size(); ++j) {
      const bool same = letter(given, i - 1) == letter(word, j - 1);
      row[j] = std::min({above[j - 1] + (same ? 0 : 1), above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && letter(given, i - 1) == letter(word, j - 2) &&
          letter(given, i - 2) == letter(word, j - 1)) {
        row[j] = std::min(row[j], second_above[j - 2] + 1);
      }
    }
  }
  return rows[given.size() % 3][word.size()];
}

}  // namespace

std::string_view NearestWord(std::string_view given, std::span<const std::string_view> known) {
  if (given.size() > kLongest) return {};
  std::string_view nearest;
  size_t fewest = kFarthest + 1;
  for (const std::string_view word : known) {
    if (word == given) return {};
    if (word.size() > kLongest) continue;
    const size_t edits = Edits(given, word);
    if (edits >= fewest || (edits != 0 && 2 * edits >= word.size() + 1)) continue;
    fewest = edits;
    nearest = word;
  }
  return nearest;
}

}  // namespace sluice::server::policy
