#include "agent/config/suggest.h"

#include <algorithm>
#include <cstddef>

namespace sluice::agent {
namespace {

// Letters to change, add, leave out or swap with a neighbour to make `a` of `b`.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) rows[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({changed, rows[i - 1][j] + 1, rows[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::string Suggest(std::string_view given, const std::vector<std::string>& known) {
  constexpr size_t kFarthest = 2;
  std::string best;
  size_t best_distance = kFarthest + 1;
  for (const std::string& word : known) {
    if (given.size() > word.size() + kFarthest || word.size() > given.size() + kFarthest) continue;
    const size_t distance = Distance(given, word);
    if (distance >= best_distance || 2 * distance >= word.size()) continue;
    best_distance = distance;
    best = word;
  }
  return best;
}

}  // namespace sluice::agent
