#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

// Cuts bytes into pieces of sizes that `seed` chooses: with 0 all at once, with 1 one by one. What
// is left after so many pieces comes at once, as an input must not take long.
class Pieces final {
 public:
  Pieces(std::string_view bytes, uint8_t seed) : left_(bytes), seed_(seed), random_(seed) {}

  bool empty() const { return left_.empty(); }
  std::string_view Next() {
    // Small pieces are the usual ones, but some are larger than a whole message.
    random_ = random_ * 1'103'515'245 + 12'345;
    const uint32_t number = random_ >> 16;
    const size_t some = 1 + (number % 4 == 0 ? number % 700 : number % 12);
    const size_t most = seed_ == 0 || given_++ == kMost ? left_.size() : seed_ == 1 ? 1 : some;
    const std::string_view piece = left_.substr(0, std::min(most, left_.size()));
    left_.remove_prefix(piece.size());
    return piece;
  }

 private:
  static constexpr size_t kMost = 150;

  std::string_view left_;
  size_t given_ = 0;
  const uint8_t seed_;
  uint32_t random_;
};

}  // namespace sluice
